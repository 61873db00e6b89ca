package diskcache

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestStalledDeviceHoldsNoMoreThanItsWidth, however many come before anybody can tell
// that it has stalled, and however long it stays away. All others are let pass.
func TestStalledDeviceHoldsNoMoreThanItsWidth(t *testing.T) {
	for what, pause := range map[string]time.Duration{"many at once": 5 * time.Millisecond, "one a minute, for a day": time.Minute} {
		t.Run(what, func(t *testing.T) {
			testbed.Bubble(t, func(t *testing.T) {
				var dev stalling
				c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: dev.wrap})
				mustPut(t, c, "k", NewView([]byte("x")), "v")
				resume := dev.stall()
				var wg sync.WaitGroup
				var passed atomic.Int64
				const callers = 1440
				for range callers {
					wg.Go(func() {
						began := time.Now()
						if _, err := c.Get("k"); err == nil {
							return // one of those that were stuck
						}
						passed.Add(1)
						if took := time.Since(began); took > stallTime {
							t.Errorf("a caller was held for %v", took)
						}
					})
					time.Sleep(pause)
				}
				time.Sleep(2 * stallTime)
				stuck, width := dev.inside.Load(), int64(c.disk.breaker.width)
				if stuck > width || passed.Load() != callers-stuck {
					t.Errorf("%d are stuck in a width of %d, %d of %d passed", stuck, width, passed.Load(), callers)
				}
				resume()
				wg.Wait()
				wantHit(t, c, "k", []byte("x")) // those who came out have said that it is well
			})
		})
	}
}

// slowly makes every read take a while.
type slowly struct {
	file
	pause time.Duration
}

func (f slowly) ReadAt(b []byte, off int64) (int, error) {
	time.Sleep(f.pause)
	return f.file.ReadAt(b, off)
}

// TestManyCallersOfASlowDeviceAllHit: those outside wait for much longer than the stall
// time, but somebody comes out all the time.
func TestManyCallersOfASlowDeviceAllHit(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: func(f file) file { return slowly{f, stallTime / 4} }})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		var wg sync.WaitGroup
		began := time.Now()
		for range 40 * c.disk.breaker.width {
			wg.Go(func() { wantHit(t, c, "k", []byte("x")) })
		}
		wg.Wait()
		if took := time.Since(began); took < 4*stallTime || took > 11*stallTime {
			t.Errorf("took %v: not by the width, or not without a pause", took)
		}
		if st := c.Stats(); st.Bypassed != 0 || c.disk.breaker.inside.Load() != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestRoomInTheDeviceIsNeverForgotten: whoever waits outside is let in, whatever the
// order in which others come and go.
func TestRoomInTheDeviceIsNeverForgotten(t *testing.T) {
	b := newBreaker(func() int64 { return 0 })
	b.width = 2
	var wg sync.WaitGroup
	var inside, most atomic.Int64
	for range 16 {
		wg.Go(func() {
			for range 5000 {
				if err := b.enter(); err != nil {
					t.Error(err) // after the stall time: nobody was told
					return
				}
				if n := inside.Add(1); n > 2 {
					most.Store(n)
				}
				inside.Add(-1)
				b.exit(reading, nil)
			}
		})
	}
	wg.Wait()
	if most.Load() != 0 || b.inside.Load() != 0 || b.queued.Load() != 0 {
		t.Errorf("%d at once, %d inside, %d outside", most.Load(), b.inside.Load(), b.queued.Load())
	}
}

// TestCallThatTouchesNothingSaysNothingAboutTheDisk: it must not end the rest that a
// failing disk is given.
func TestCallThatTouchesNothingSaysNothingAboutTheDisk(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, MaxBytes: 1 << 20})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		d := c.disk
		refused := func(size int) error {
			dr := &draft{record: *c.draftOf("k")}
			dr.body = encode(&dr.record, noise(size), newScratch().(*scratch))
			_, err := d.append(dr, func() bool { return false })
			return err
		}
		for what, call := range map[string]func() error{
			"too large": func() error { return refused(1 << 20) },
			"fenced":    func() error { return refused(10) },
			"evicted":   func() error { _, _, err := d.read(slot{file: 99, size: 99}, "k", newScratch().(*scratch)); return err },
		} {
			for range 2 * failuresToTrip {
				_ = call()
			}
			if d.breaker.until.Load() != 0 {
				t.Errorf("%s: the disk is taken for failing", what)
			}
			d.breaker.trip()
			time.Sleep(2 * lastPause)
			if err := call(); err == nil || bypassed(err) {
				t.Errorf("%s: %v", what, err)
			}
			if d.breaker.until.Load() == 0 {
				t.Errorf("%s: the disk is taken for well", what)
			}
			d.breaker.until.Store(0)
		}
		d.breaker.trip()
		time.Sleep(2 * lastPause)
		wantHit(t, c, "k", []byte("x"))
		if d.breaker.until.Load() != 0 {
			t.Error("a hit is taken for nothing")
		}
	})
}

// TestQueueEmptiesWhenTheDiskIsGivenUp: one verdict is for all who wait.
func TestQueueEmptiesWhenTheDiskIsGivenUp(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var now atomic.Int64
		b := newBreaker(now.Load)
		for range b.width {
			if err := b.enter(); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := b.enter(); !bypassed(err) {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if took := time.Since(began); took > stallTime {
			t.Errorf("the last one waited for %v", took)
		}
		if n := b.tripped.Load(); n != 1 {
			t.Errorf("%d verdicts", n)
		}
		for range b.width {
			b.exit(reading, fmt.Errorf("read: %w", syscall.EIO))
		}
		if err := b.enter(); !errors.Is(err, errTripped) {
			t.Error(err)
		}
	})
}
