package s3store

import "sync"

// meter tells a callback how far a transfer is. Bytes are read and parts
// acknowledged by different goroutines; the callback is called by one at a time.
type meter struct {
	mu   sync.Mutex
	now  Progress
	tell func(Progress) // nil: nobody wants to know
}

func newMeter(tell func(Progress), size int64) *meter {
	return &meter{tell: tell, now: Progress{Size: size}}
}

func (m *meter) read(n int64) { m.add(n, 0) }
func (m *meter) sent(n int64) { m.add(0, n) }

func (m *meter) add(data, sealed int64) {
	if m.tell == nil || data == 0 && sealed == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Data += data
	m.now.Sealed += sealed
	m.tell(m.now)
}
