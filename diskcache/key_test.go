package diskcache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// brokenKeys fail where they are told to.
type brokenKeys struct {
	testKeys
	wrap, unwrap error
}

func (k brokenKeys) WrapKey(ctx context.Context, key []byte) ([]byte, error) {
	if k.wrap != nil {
		return nil, k.wrap
	}
	return k.testKeys.WrapKey(ctx, key)
}

func (k brokenKeys) UnwrapKey(ctx context.Context, wrapped []byte) ([]byte, error) {
	if k.unwrap != nil {
		return nil, k.unwrap
	}
	return k.testKeys.UnwrapKey(ctx, wrapped)
}

var errKeyring = errors.New("keyring unreachable")

func TestWithoutAKeyWrapperTheKeyNeverTouchesTheDisk(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if _, err := os.Stat(filepath.Join(dir, keyName)); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is a key file", err)
	}
	c = reopen(t, c, dir, Options{})
	wantMiss(t, c, "k")
	if st := c.Stats(); st.Segments != 0 {
		t.Error("the folder was not emptied")
	}
}

// TestUnusableKeyStartsEmptyAndSaysSo, and the cache works.
func TestUnusableKeyStartsEmptyAndSaysSo(t *testing.T) {
	for name, tc := range map[string]struct {
		keys     KeyWrapper
		survives bool // the next restart
	}{
		"unwrap fails":          {brokenKeys{unwrap: errKeyring}, true},
		"unwrap and wrap fail":  {brokenKeys{wrap: errKeyring, unwrap: errKeyring}, false},
		"other key":             {testKeys{id: 1}, true},
		"short key":             {shortKeys{}, true},
		"no key wrapper at all": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, o := newDir(t), Options{Keys: testKeys{}}
			c := open4test(t, dir, o)
			mustPut(t, c, "k", NewView([]byte("x")), "v")
			logger, log := logTo()
			o = Options{Keys: tc.keys, Logger: logger}
			c = reopen(t, c, dir, o)
			wantMiss(t, c, "k")
			if tc.keys != nil && !strings.Contains(log.String(), "starting empty") {
				t.Errorf("log: %s", log)
			}
			mustPut(t, c, "k", NewView([]byte("y")), "v")
			wantHit(t, c, "k", []byte("y"))
			// Once the keyring is back:
			if b, ok := tc.keys.(brokenKeys); ok {
				o.Keys = b.testKeys
			}
			if _, ok := tc.keys.(shortKeys); ok {
				o.Keys = testKeys{}
			}
			c = reopen(t, c, dir, o)
			if tc.survives {
				wantHit(t, c, "k", []byte("y"))
			} else {
				wantMiss(t, c, "k")
			}
		})
	}
}

// shortKeys unwraps to a key of the wrong length.
type shortKeys struct{ testKeys }

func (shortKeys) UnwrapKey(context.Context, []byte) ([]byte, error) { return make([]byte, 16), nil }

func TestWrapFailureAtFirstOpenLeavesAMemoryOnlyKey(t *testing.T) {
	dir := newDir(t)
	logger, log := logTo()
	c := open4test(t, dir, Options{Keys: brokenKeys{wrap: errKeyring}, Logger: logger})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	wantHit(t, c, "k", []byte("x"))
	if !strings.Contains(log.String(), "ends with this process") {
		t.Errorf("log: %s", log)
	}
	c = reopen(t, c, dir, Options{Keys: testKeys{}})
	wantMiss(t, c, "k")
}

// TestCalledOffOpenKeepsTheFolder: a deploy that gives up while the keyring is
// asked must not cost a year of cache.
func TestCalledOffOpenKeepsTheFolder(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errKeyring)
	_, err := Open(ctx, dir, Options{Keys: brokenKeys{unwrap: context.Canceled}})
	if !errors.Is(err, errKeyring) {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir, o); !errors.Is(err, errKeyring) {
		t.Fatal(err)
	}
	c = open4test(t, dir, o)
	wantHit(t, c, "k", []byte("x"))
}

// TestWrapperMayDestroyWhatItIsGiven: it has a copy.
func TestWrapperMayDestroyWhatItIsGiven(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{Keys: clearingKeys{}})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	c = reopen(t, c, dir, Options{Keys: testKeys{}})
	wantHit(t, c, "k", []byte("x"))
}

type clearingKeys struct{ testKeys }

func (k clearingKeys) WrapKey(ctx context.Context, key []byte) ([]byte, error) {
	defer clear(key)
	return k.testKeys.WrapKey(ctx, key)
}

func TestPanicOfTheKeyWrapperLeavesNothingOpen(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{Keys: testKeys{}})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = Open(t.Context(), dir, Options{Keys: panickingKeys{how: func() { panic("ours") }}})
	}()
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors are left open", n-before)
	}
	if c, err := Open(t.Context(), dir, Options{Keys: testKeys{}}); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
}
