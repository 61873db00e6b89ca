package diskcache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// onlySecrets applies a layer to the table of secrets and to nothing else.
func onlySecrets(layer func(file) file) func(file) file {
	return func(f file) file {
		if o, ok := f.(*os.File); ok && strings.HasSuffix(o.Name(), groupsName) {
			return layer(f)
		}
		return f
	}
}

// TestGroupThatMadeRoomForAnotherIsShredded: it is not in memory any more, and must
// not be on disk either.
func TestGroupThatMadeRoomForAnotherIsShredded(t *testing.T) {
	var fl faults
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: onlySecrets(fl.wrap)}
	c := open4test(t, dir, o)
	c.disk.groups.most = 8
	group := func(i int) string { return fmt.Sprint("g", i) }
	for i := range 40 {
		if i == 30 { // and where the disk refuses to write over it
			fl.fail(&fl.write, syscall.EIO, 1)
		}
		putGroup(t, c, fmt.Sprint("k", i), group(i), []byte("x"))
	}
	if n := c.Stats().Groups; n != 8 {
		t.Errorf("%d groups", n)
	}
	for i := range 40 {
		if err := c.ShredGroup(t.Context(), group(i)); err != nil {
			t.Fatal(err)
		}
	}
	c = reopen(t, c, dir, o)
	for i := range 40 {
		wantMiss(t, c, fmt.Sprint("k", i))
	}
}

// TestShredGroupErasesWhatCouldNotBeRead: the table, or a page of it, may hold the
// group's secret for somebody who can read it again.
func TestShredGroupErasesWhatCouldNotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(path string, fl *faults) (mend func()){
		"damage": func(path string, _ *faults) func() {
			flip := func(at int64) {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				b := make([]byte, 1)
				_, _ = f.ReadAt(b, at)
				b[0] ^= 1
				_, _ = f.WriteAt(b, at)
			}
			flip(pageBytes + 100)
			return func() { flip(pageBytes + 100) }
		},
		"damaged header": func(path string, _ *faults) func() {
			before, _ := os.ReadFile(path)
			if err := os.WriteFile(path, append([]byte("x"), before[1:]...), 0o600); err != nil {
				t.Fatal(err)
			}
			return func() {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				_, _ = f.WriteAt(before[:pageBytes], 0)
			}
		},
		"EIO": func(_ string, fl *faults) func() {
			fl.fail(&fl.read, syscall.EIO, 1)
			return func() {}
		},
		"EIO on a page": func(_ string, fl *faults) func() {
			fl.fail(&fl.read, syscall.EIO, 1000)
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var fl faults
			dir, o := newDir(t), Options{Keys: testKeys{}, MemoryBytes: -1, wrap: onlySecrets(fl.wrap)}
			c := open4test(t, dir, o)
			putGroup(t, c, "k", "patient", []byte("x"))
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			mend := spoil(filepath.Join(dir, groupsName), &fl)
			c = open4test(t, dir, o)
			fl.times.Store(0)
			if err := c.ShredGroup(t.Context(), "patient"); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			mend()
			c = open4test(t, dir, o)
			wantMiss(t, c, "k")
			putGroup(t, c, "k", "patient", []byte("new"))
			c = reopen(t, c, dir, o)
			wantHit(t, c, "k", []byte("new"))
		})
	}
}

// TestShredGroupSaysIfTheSecretCouldNotBeErased: it is gone from memory, but the caller
// must know that it may be on disk.
func TestShredGroupSaysIfTheSecretCouldNotBeErased(t *testing.T) {
	var fl faults
	dir, o := newDir(t), Options{Keys: testKeys{}, wrap: onlySecrets(fl.wrap)}
	c := open4test(t, dir, o)
	putGroup(t, c, "k", "g", []byte("x"))
	fl.fail(&fl.write, syscall.EIO, 1)
	if err := c.ShredGroup(t.Context(), "g"); err == nil {
		t.Error("no error")
	}
	wantMiss(t, c, "k")
	if err := c.ShredGroup(t.Context(), "g"); err != nil {
		t.Error("the second time:", err)
	}
	c = reopen(t, c, dir, o)
	wantMiss(t, c, "k")
}

// TestSecretsStayWithinTheirShare of MaxBytes, however many groups come and go.
func TestSecretsStayWithinTheirShare(t *testing.T) {
	const most = 1 << 20
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: most, MemoryBytes: -1, Keys: testKeys{}})
	for i := range 5000 {
		putGroup(t, c, fmt.Sprint("k", i), fmt.Sprint("patient", i), []byte("x"))
		if i%7 == 0 {
			if err := c.ShredGroup(t.Context(), fmt.Sprint("patient", i/2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := c.disk.groups.bytes(); n > most/groupsShare+pageBytes {
		t.Errorf("%d bytes of secrets", n)
	}
	if used := folderBytes(t, dir); used > most {
		t.Errorf("%d bytes in the folder, MaxBytes is %d", used, most)
	}
	// A folder with less room keeps what fits.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c = open4test(t, dir, Options{MaxBytes: most, MemoryBytes: -1, Keys: testKeys{}})
		c.disk.groups.most = 2 * pageGroups
		if err := c.disk.groups.secrets.load(&c.disk.groups); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if info, err := os.Stat(filepath.Join(dir, groupsName)); err != nil || info.Size() != 3*pageBytes {
		t.Error(info.Size(), err)
	}
}

// TestNewGroupWritesOnePage, also after a restart with many.
func TestNewGroupWritesOnePage(t *testing.T) {
	var written atomic.Int64
	counted := onlySecrets(func(f file) file { return countedFile{f, &written} })
	dir, o := newDir(t), Options{Keys: testKeys{}, MemoryBytes: -1, wrap: counted}
	c := open4test(t, dir, o)
	for i := range 20_000 {
		c.group(fmt.Sprint("patient ", i))
	}
	c = reopen(t, c, dir, o)
	written.Store(0)
	putGroup(t, c, "k", "one more", []byte("x"))
	if n := written.Load(); n != pageBytes {
		t.Errorf("%d bytes written", n)
	}
	written.Store(0)
	if err := c.ShredGroup(t.Context(), "patient 12345"); err != nil {
		t.Fatal(err)
	}
	if n := written.Load(); n != pageBytes {
		t.Errorf("%d bytes written to destroy one", n)
	}
}

type countedFile struct {
	file
	written *atomic.Int64
}

func (f countedFile) WriteAt(b []byte, off int64) (int, error) {
	f.written.Add(int64(len(b)))
	return f.file.WriteAt(b, off)
}

// TestStalledSecretsStopNobodyElse than who needs a new one, and him for as long as a
// device may take.
func TestStalledSecretsStopNobodyElse(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var dev stalling
		c := open4test(t, newDir(t), Options{Keys: testKeys{}, MemoryBytes: -1, wrap: onlySecrets(dev.wrap)})
		putGroup(t, c, "k", "g", []byte("x"))
		mustPut(t, c, "plain", NewView([]byte("x")), "v")
		resume := dev.stall()
		var stuck sync.WaitGroup
		stuck.Go(func() { _ = c.Put("n", NewView([]byte("x")), Meta{Group: "new"}, c.Fence("n")) })
		done := make(chan struct{})
		go func() {
			defer close(done)
			for len(c.disk.groups.secrets.gate) == 0 {
				time.Sleep(time.Millisecond)
			}
			mustPut(t, c, "plain 2", NewView([]byte("x")), "v")
			putGroup(t, c, "k2", "g", []byte("y"))
			wantHit(t, c, "k", []byte("x"))
			wantHit(t, c, "plain", []byte("x"))
			putGroup(t, c, "another", "new too", []byte("z"))
			wantHit(t, c, "another", []byte("z"))
			c.Drop("plain")
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			if err := c.ShredGroup(ctx, "g"); err == nil {
				t.Error("a secret was erased from a device that stalls")
			}
			wantMiss(t, c, "k")
		}()
		select {
		case <-done:
		case <-time.After(time.Minute): // in case nothing moves
			t.Error("they wait for the table of secrets")
		}
		resume()
		stuck.Wait()
		<-done
		if err := c.ShredGroup(t.Context(), "g"); err != nil {
			t.Error("afterwards:", err)
		}
	})
}

func TestShredAndShredGroupDoNotWaitForEachOther(t *testing.T) {
	c := open4test(t, newDir(t), Options{Keys: testKeys{}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 200 {
					_ = c.ShredGroup(context.Background(), "g")
				}
			})
		}
		wg.Go(func() {
			for range 50 {
				_ = c.Shred(context.Background())
			}
		})
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Minute): // in case nothing moves
		t.Fatal("they wait for each other")
	}
}

// One damaged byte in the head of the file of secrets costs every entry of every group.
func TestLostSecretsAreMentioned(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 100 {
		key := fmt.Sprint(i)
		if err := c.Put(key, NewView([]byte("x")), Meta{Version: "v", Group: key}, c.Fence(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, groupsName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	logger, log := logTo()
	o.Logger = logger
	c = open4test(t, dir, o)
	hits := 0
	for i := range 100 {
		if _, err := c.Get(fmt.Sprint(i)); err == nil {
			hits++
		}
	}
	if hits != 0 || !strings.Contains(log.String(), "secrets of groups") {
		t.Errorf("%d hits; the log: %s", hits, log)
	}
}

type countedSyncs struct {
	file
	n *atomic.Int64
}

func (f countedSyncs) Sync() error { f.n.Add(1); return f.file.Sync() }

// TestShredGroupSyncsTheSecrets: also those that were written over before, to make room
// for others.
func TestShredGroupSyncsTheSecrets(t *testing.T) {
	var n atomic.Int64
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	o.wrap = func(f file) file {
		if named, ok := f.(*os.File); ok && strings.HasSuffix(named.Name(), groupsName) {
			return countedSyncs{f, &n}
		}
		return f
	}
	c := open4test(t, dir, o)
	c.group("g")
	mustShredGroup(t, c, "g")
	if n.Load() == 0 {
		t.Error("a shredded group's page is not synced")
	}
	c.group("crowded")
	before := n.Load()
	for i := range 2 * c.disk.groups.most {
		c.group(fmt.Sprint(i))
	}
	if mustShredGroup(t, c, "nobody"); n.Load() == before {
		t.Error("pages written over by crowding out are not synced")
	}
}
