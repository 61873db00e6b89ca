package dbfailover

import (
	"errors"
	"time"
)

// outcome is what became of a task.
type outcome struct {
	err     error
	reached bool  // the server answered
	epoch   epoch // taskMove, taskOpen: the one in force
	ended   time.Time
}

// finish takes a task back.
func (p *pair) finish(t *task, o outcome) []Transition {
	p.task = nil
	p.eyes[t.to].touched = o.ended
	if t.kind == taskMove {
		p.eyes[t.to.other()].touched = o.ended
	}
	if t.answer == nil || o.err == nil { // whoever ordered it has the answer, and decides for himself
		p.trials.count(t, o.err)
	}
	if o.err != nil || t.kind == taskResume { // which shows a moment later
		p.cool = o.ended.Add(p.trials.pause(t, p.timing.cool))
	}
	switch {
	case t.kind == taskResume && o.err == nil:
		if p.eyes[t.to].resumed++; !p.servers[t.to].sight.feed.gated {
			p.eyes[t.to].freed++
		}
	case t.kind == taskFence && o.err == nil:
		p.eyes[t.to].defied, p.eyes[t.to].resumed = 0, 0
		p.eyes[t.to.other()].resumed = 0
	case t.kind == taskFence && o.reached && !overtaken(o.err) && p.mayWrite(t.to, o.err):
		p.eyes[t.to].defied++
	case t.kind == taskMove && o.err != nil && p.state != StateDown:
		p.stable = time.Time{} // a failback is tried as rarely as it is begun
		if t.planned && t.served {
			p.doubted = o.ended // the old server is open again and has to be seen so, before anybody says DOWN
		}
		return p.become(StateSuspect, p.active, o.ended, "the move failed")
	case (t.kind == taskMove || t.kind == taskOpen) && o.err == nil:
		if o.epoch.number >= p.highest.number {
			p.highest, p.vouched = o.epoch, true
		}
		p.eyes[t.to].locked = time.Time{}
		return p.become(home(t.to), t.to, o.ended, t.done())
	}
	return p.decide(o.ended)
}

// mayWrite: the application can still write to a server that refused a fence. One that
// was seen locked and could only not store its row (its disk is full, which is why it was
// left) harms nobody; nor does one whose killed threads have not ended, since it is locked,
// and what they write is acknowledged to nobody; nor one that refuses because it is
// read-only, which binds the application's account, as that has no right to ignore it.
func (p *pair) mayWrite(r Role, err error) bool {
	s := p.servers[r].sight
	return !errors.Is(err, errThreads) && !s.locked && !(s.readOnly && serverSaid(err, errReadOnly))
}

// done is the reason of the state that a task led to.
func (t *task) done() string {
	if t.kind == taskOpen {
		return "took up the epoch recorded for it"
	}
	return t.reason
}

func overtaken(err error) bool { return serverSaid(err, errOvertaken, errBusy) }
