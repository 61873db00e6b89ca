package s3store

// meter tells a callback how far a transfer is. It belongs to the goroutine of the
// caller: what goroutines of the store have done is told there, so that a callback
// needs no lock, and one that panics is its caller's panic.
type meter struct {
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
	m.now.Data += data
	m.now.Sealed += sealed
	m.tell(m.now)
}
