package invalidate

import "time"

// A process that closes in good order has nothing in flight. Its direct successor need not be feared,
// and this file is about being sure that it is the direct one.

// left notes that a peer closed in good order. The lease held from it runs on: it cannot write any
// more, and its successor outwaits the leases of its predecessors.
func (h *holder) left(m farewell) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.views[m.From]; v.boot == m.Boot && m.Clean {
		v.left = true
	}
}

// heir reports whether the sender is known here as the direct successor of a process that left in good
// order. One peer that says so is enough: every write needs its acknowledgment or outwaits its lease.
func (h *holder) heir(q leaseRequest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[q.From]
	before := v.trust
	if v.boot != q.Boot {
		before = v.heirBefore()
	}
	return inherits(h.started(q.Age), before)
}

// heirBefore is the moment before which the next process must have started to be known as the direct
// successor of one that left with nothing in flight. A process between the two that wrote without
// this node's acknowledgment would first have had to outwait the lease this node held.
func (v *view) heirBefore() time.Duration {
	if !v.left {
		return 0
	}
	return v.until
}

// started is when a process of the given age started, at the latest.
func (h *holder) started(age time.Duration) time.Duration {
	return h.fresh.now() - max(0, age-age/clockMargin)
}

// inherits needs a trust of its own: a process that started before this one did so at a negative moment.
func inherits(started, trust time.Duration) bool { return trust > 0 && started <= trust }
