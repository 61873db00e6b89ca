package diskcache

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// cachingKeys hands out the slice it keeps, as a wrapper with a cache might.
type cachingKeys struct {
	testKeys
	kept []byte
}

func (k *cachingKeys) UnwrapKey(ctx context.Context, wrapped []byte) (_ []byte, err error) {
	if k.kept == nil {
		k.kept, err = k.testKeys.UnwrapKey(ctx, wrapped)
	}
	return k.kept, err
}

// TestSliceOfTheWrapperIsLeftAlone: it may be what the wrapper returns next time.
func TestSliceOfTheWrapperIsLeftAlone(t *testing.T) {
	dir, o := newDir(t), Options{MemoryBytes: -1, Keys: &cachingKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	for range 3 {
		c = reopen(t, c, dir, o)
		wantHit(t, c, "k", []byte("x"))
	}
}

// TestKeyOfZerosIsNotBelieved: anybody could read what it seals.
func TestKeyOfZerosIsNotBelieved(t *testing.T) {
	dir, keys := newDir(t), &cachingKeys{}
	logger, log := logTo()
	o := Options{MemoryBytes: -1, Keys: keys, Logger: logger}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	keys.kept = make([]byte, 32)
	c = reopen(t, c, dir, o)
	if *c.disk.key == (cacheKey{}) || !strings.Contains(log.String(), "all zeros") {
		t.Errorf("the log says %q", log)
	}
	wantMiss(t, c, "k")
	mustPut(t, c, "k", NewView([]byte("y")), "v")
	o.Keys = testKeys{}
	wantHit(t, reopen(t, c, dir, o), "k", []byte("y"))
}

// deafKeys hang while they are told to and do not look at their context.
type deafKeys struct {
	testKeys
	deaf   *atomic.Bool
	resume chan struct{}
}

func (k deafKeys) WrapKey(ctx context.Context, b []byte) ([]byte, error) {
	k.wait()
	return k.testKeys.WrapKey(ctx, b)
}

func (k deafKeys) UnwrapKey(ctx context.Context, b []byte) ([]byte, error) {
	k.wait()
	return k.testKeys.UnwrapKey(ctx, b)
}

func (k deafKeys) wait() {
	if k.deaf.Load() {
		<-k.resume
	}
}

// TestKeyringThatHangsHoldsOpenForItsTimeOnly, though it is deaf to its context; the
// cache then starts empty, and what the keyring says at last concerns nobody.
func TestKeyringThatHangsHoldsOpenForItsTimeOnly(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		k := deafKeys{deaf: new(atomic.Bool), resume: make(chan struct{})}
		logger, log := logTo()
		dir, o := newDir(t), Options{MemoryBytes: -1, Keys: k, Logger: logger}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		k.deaf.Store(true)
		began := time.Now()
		c = reopen(t, c, dir, o)
		if took := time.Since(began); took > 2*keyTimeout+patience {
			t.Errorf("Open took %v", took)
		}
		if text := log.String(); !strings.Contains(text, "does not answer") {
			t.Errorf("the log says %q", text)
		}
		wantMiss(t, c, "k")
		mustPut(t, c, "k", NewView([]byte("y")), "v")
		close(k.resume)
		synctest.Wait()
		wantHit(t, c, "k", []byte("y"))
	})
}

// TestShredStopsNobodyWhileTheKeyringHangs: it waits for the keyring, and only for that
// long, before it stops anybody; and it shreds all the same.
func TestShredStopsNobodyWhileTheKeyringHangs(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		k := deafKeys{deaf: new(atomic.Bool), resume: make(chan struct{})}
		defer close(k.resume)
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, Keys: k})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		k.deaf.Store(true)
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			if err := c.Shred(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		wantHit(t, c, "k", []byte("x"))
		mustPut(t, c, "l", NewView([]byte("x")), "v")
		c.Drop("l")
		if took := time.Since(began); took > 0 {
			t.Errorf("others waited for %v", took)
		}
		wg.Wait()
		if took := time.Since(began); took > keyTimeout {
			t.Errorf("Shred took %v", took)
		}
		wantMiss(t, c, "k")
	})
}

// TestShreddedCacheStaysUnderItsNewKey: what was wrapped is the key that is used.
func TestShreddedCacheStaysUnderItsNewKey(t *testing.T) {
	dir, o := newDir(t), Options{MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	wantHit(t, reopen(t, c, dir, o), "k", []byte("x"))
}

// panickingKeys panic, or end their goroutine.
type panickingKeys struct {
	testKeys
	how func()
}

func (k panickingKeys) UnwrapKey(context.Context, []byte) ([]byte, error) {
	k.how()
	return nil, nil
}

// TestPanicOfTheWrapperIsTheCallersToRecover: it must not end the process from a
// goroutine that nobody can recover on.
func TestPanicOfTheWrapperIsTheCallersToRecover(t *testing.T) {
	defer func() {
		if p := recover(); p != "ours" {
			t.Errorf("recovered %v", p)
		}
	}()
	if _, err := ask(t.Context(), panickingKeys{how: runtime.Goexit}.UnwrapKey, nil); err == nil {
		t.Error("no answer is taken for a key")
	}
	_, err := ask(t.Context(), panickingKeys{how: func() { panic("ours") }}.UnwrapKey, nil)
	t.Error("no panic, but", err)
}

// keepingKeys keeps what it is given.
type keepingKeys struct {
	testKeys
	given [][]byte
}

func (k *keepingKeys) WrapKey(ctx context.Context, key []byte) ([]byte, error) {
	k.given = append(k.given, key)
	return k.testKeys.WrapKey(ctx, key)
}

// TestKeyIsClearedAfterItIsWrapped: the wrapper is given a copy of its own, of which
// nothing must be left in memory.
func TestKeyIsClearedAfterItIsWrapped(t *testing.T) {
	keys := &keepingKeys{}
	c := open4test(t, newDir(t), Options{MemoryBytes: -1, Keys: keys})
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(keys.given) != 2 {
		t.Fatalf("%d keys were wrapped", len(keys.given))
	}
	for _, key := range keys.given {
		if !bytes.Equal(key, make([]byte, len(cacheKey{}))) {
			t.Error("a key is left")
		}
	}
}
