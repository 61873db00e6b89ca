package diskcache

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// stalling is a device that stops answering.
type stalling struct {
	mu      sync.Mutex
	stalled chan struct{} // not nil: operations wait until it is closed
	inside  atomic.Int64
}

type stallingFile struct {
	file
	*stalling
}

func (s *stalling) wrap(f file) file { return stallingFile{f, s} }

func (s *stalling) stall() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stalled := make(chan struct{})
	s.stalled = stalled
	return func() {
		s.mu.Lock()
		s.stalled = nil
		s.mu.Unlock()
		close(stalled)
	}
}

func (s *stalling) wait() {
	s.mu.Lock()
	stalled := s.stalled
	s.mu.Unlock()
	if stalled != nil {
		s.inside.Add(1)
		<-stalled
		s.inside.Add(-1)
	}
}

func (f stallingFile) ReadAt(b []byte, off int64) (int, error) {
	f.wait()
	return f.file.ReadAt(b, off)
}

func (f stallingFile) WriteAt(b []byte, off int64) (int, error) {
	f.wait()
	return f.file.WriteAt(b, off)
}

// TestStalledDeviceIsBypassed: those who are already reading wait; whoever comes
// later has a miss, or a Put that fails, within the stall time. When the device
// answers again, so does the cache.
func TestStalledDeviceIsBypassed(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var dev stalling
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: dev.wrap})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		resume := dev.stall()
		var stuck sync.WaitGroup
		for range c.disk.breaker.width {
			stuck.Go(func() { wantHit(t, c, "k", []byte("x")) })
		}
		synctest.Wait()
		began := time.Now()
		_, _ = c.Get("other") // no slot: no disk
		for i := range 100 {
			if i < 4 {
				stuck.Go(func() { _, _ = c.Get("k") })
			}
			time.Sleep(stallTime / 4)
		}
		wantMiss(t, c, "k")
		if err := c.Put("new", NewView([]byte("y")), Meta{}, c.Fence("new")); !errors.Is(err, errTripped) {
			t.Errorf("Put: %v", err)
		}
		c.Drop("never mind")
		if took := time.Since(began); took > 100*stallTime/4+10*time.Second {
			t.Errorf("callers waited for %v", took)
		}
		if st := c.Stats(); st.Bypassed == 0 {
			t.Errorf("%+v", st)
		}
		resume()
		stuck.Wait()
		time.Sleep(2 * lastPause)
		wantHit(t, c, "k", []byte("x")) // nobody has taken the entry for damaged
		mustPut(t, c, "new", NewView([]byte("y")), "v")
		wantHit(t, c, "new", []byte("y"))
	})
}

// TestStalledWriteDoesNotStopTheOthers: one Put hangs with the gate in hand.
func TestStalledWriteDoesNotStopTheOthers(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var dev stalling
		c := open4test(t, newDir(t), Options{wrap: dev.wrap})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		resume := dev.stall()
		var stuck sync.WaitGroup
		stuck.Go(func() { mustPut(t, c, "stuck", NewView([]byte("y")), "v") })
		synctest.Wait()
		for i := range 20 {
			began := time.Now()
			key := fmt.Sprint(i)
			if err := c.Put(key, NewView([]byte("z")), Meta{}, c.Fence(key)); err == nil {
				t.Error("Put to a stalled disk succeeded")
			}
			c.Drop("k")
			wantMiss(t, c, "k")
			wantHit(t, c, key, []byte("z")) // from memory
			if took := time.Since(began); took > 4*stallTime {
				t.Fatalf("operation %d took %v", i, took)
			}
		}
		resume()
		stuck.Wait()
		time.Sleep(2 * lastPause)
		mustPut(t, c, "after", NewView([]byte("y")), "v")
		wantHit(t, c, "stuck", []byte("y"))
	})
}

// TestFailingDeviceIsGivenARestAndTriedAgain, more and more rarely, but for ever.
func TestFailingDeviceIsGivenARestAndTriedAgain(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var fl faults
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: fl.wrap})
		for i := range 800 {
			mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		}
		fl.fail(&fl.read, syscall.EIO, 1<<40)
		tried := func() int64 { return 1<<40 - fl.times.Load() }
		for i := range 100 {
			wantMiss(t, c, fmt.Sprint(i))
		}
		if n := tried(); n != failuresToTrip {
			t.Errorf("a failing disk was tried %d times at once", n)
		}
		before := tried()
		for i := range 600 { // ten minutes
			time.Sleep(time.Second)
			wantMiss(t, c, fmt.Sprint(100+i))
		}
		if n := tried() - before; n < 8 || n > 60 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		fl.read.Store(nil)
		time.Sleep(lastPause + time.Second)
		wantHit(t, c, "799", []byte("x"))
		wantHit(t, c, "798", []byte("x"))
	})
}
