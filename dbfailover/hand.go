package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hand carries out tasks, one at a time, on connections of its own.
type hand struct {
	timing   timing
	stations [2]station
}

var (
	errThreads = errors.New("dbfailover: threads of the application are still running there")
	errStale   = errors.New("dbfailover: what the move was decided on is out of date")
	errBehind  = errors.New("dbfailover: replication did not catch up in time")
)

// carry does one task. Everything in it can be cut short at any point, by a crash of
// this process too: each step leaves a state from which any web node goes on.
func (h *hand) carry(ctx context.Context, t *task) (o outcome) {
	s := h.stations[t.to]
	o.epoch = t.epoch
	// A process that was stopped in between acts on news of yesterday: another epoch may
	// be in use.
	if h.stale(t) {
		o.err, o.ended = errStale, time.Now()
		return o
	}
	switch t.kind {
	case taskMove:
		o = h.move(ctx, t)
	case taskFence:
		o.err = h.fence(ctx, s, t)
	case taskOpen:
		// A position was recorded if the old server was fenced in time: nothing that
		// it wrote is missing. If not, its tail must not get in.
		o.err = h.promote(ctx, t, &o, t.epoch.gtid == "")
	case taskUnlock:
		o.err = h.do(ctx, func(ctx context.Context) error { return s.unfence(ctx, t.epoch.number) })
	case taskResume:
		o.err = h.do(ctx, s.resume)
	case taskLift:
		o.err = h.do(ctx, func(ctx context.Context) error { return s.lift(ctx, t.epoch.number) })
	}
	o.reached = o.err == nil || present(o.err)
	o.ended = time.Now()
	return o
}

// present tells a server that refuses from one that is not there.
func present(err error) bool {
	health, _ := judge(err)
	return health == HealthRefusing || errors.Is(err, errThreads)
}

// do bounds one call.
func (h *hand) do(ctx context.Context, call func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, h.timing.act)
	defer cancel()
	return call(limited)
}

// fence tells a server that it is not the writer any more. What it wrote and the other
// one never got is found first, while nobody can add to it.
func (h *hand) fence(ctx context.Context, s station, t *task) error {
	if t.lost {
		return h.bar(ctx, s, t.epoch, new(tailLost))
	}
	if t.blind {
		_, err := h.lock(ctx, s, t.epoch.number, h.timing.act)
		return err
	}
	if !t.judge && !t.passed {
		return h.bar(ctx, s, t.epoch, nil)
	}
	if _, err := h.lock(ctx, s, t.epoch.number, h.timing.act); err != nil {
		return err
	}
	found, err := h.tail(ctx, s, t.epoch.gtid)
	if err == nil {
		err = h.bar(ctx, s, t.epoch, new(t.taint(found)))
	}
	if err != nil {
		return err
	}
	// Another node that does not know of the epoch may have opened the server between
	// the look and the fence. From now on none can.
	again, err := h.tail(ctx, s, t.epoch.gtid)
	if err == nil && again != found {
		err = h.bar(ctx, s, t.epoch, new(t.taint(again)))
	}
	return err
}

func (h *hand) stale(t *task) bool { return time.Since(t.began) > h.timing.act+h.timing.timeout }

func (h *hand) tail(ctx context.Context, s station, since string) (found string, err error) {
	err = h.do(ctx, func(ctx context.Context) (err error) {
		found, err = s.tail(ctx, since)
		return err
	})
	return found, err
}

// bar fences; found is the tail, nil if it was not looked for.
func (h *hand) bar(ctx context.Context, s station, e epoch, found *string) error {
	return h.do(ctx, func(ctx context.Context) error {
		left, _, err := s.fence(ctx, e, false, found)
		return lefterr(left, err)
	})
}

func lefterr(left int, err error) error {
	if err == nil && left > 0 {
		return errThreads
	}
	return err
}

// lock repeats until no thread of the application is left. Killed statements can live
// on for seconds, and each call kills again. With errThreads, at is where the server
// stood when it answered last.
func (h *hand) lock(ctx context.Context, s station, number uint64, limit time.Duration) (at string, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stuck := false
	for {
		left, now, err := s.lock(limited, number)
		if err = lefterr(left, err); err == nil || errors.Is(err, errThreads) {
			at, stuck = now, err != nil
		}
		switch again := errors.Is(err, errThreads) || serverSaid(err, errBusy); {
		case again && limited.Err() == nil:
		case stuck && (again || limited.Err() != nil):
			return at, errThreads
		default:
			return at, err
		}
	}
}

// move makes t.to the writer.
//
//  0. The new server says that it could be opened, unless every moment counts.
//  1. The old server: lock, kill, position. Out of reach, it is skipped, unless the
//     move is planned.
//  2. The new server reaches that position. If not: a planned move unlocks the old one
//     again; others go on and keep out what comes later.
//  3. The old server records the epoch, locked and killed once more under one lock,
//     because another node may have opened it since.
//  4. The new server records the epoch and opens.
//
// Before 3 nothing has happened; between 3 and 4 every node can do 4. If another node,
// which did not reach the old server, has done 4 already, what 2 saw arrive may have been
// skipped: the two rows differ then, and whoever sees them looks for the tail (unjudged).
func (h *hand) move(ctx context.Context, t *task) (o outcome) {
	o.epoch = t.epoch
	from, to := h.stations[t.to.other()], h.stations[t.to]
	if !t.hopeless {
		if err := h.do(ctx, to.ready); err != nil {
			o.err = fmt.Errorf("dbfailover: the %v server cannot be opened now: %w", t.to, err)
			return o
		}
	}
	at, err := h.lock(ctx, from, t.from.number, h.limit(t))
	if errors.Is(err, errThreads) && !t.planned && !t.force && !t.hopeless {
		return h.pastThreads(ctx, t, o, at)
	}
	if err != nil {
		return h.withoutOld(ctx, t, o, err)
	}
	if t.lost {
		return h.leaveBehind(ctx, t, o)
	}
	if err := h.reach(ctx, to, at); err != nil {
		if t.planned {
			return h.undo(ctx, t, o, err)
		}
		return h.leaveBehind(ctx, t, o)
	}
	err = h.record(ctx, from, t, &o)
	if err != nil {
		if t.planned {
			return h.undo(ctx, t, o, err)
		}
		return h.withoutOld(ctx, t, o, err)
	}
	if o.err = h.reach(ctx, to, o.epoch.gtid); o.err != nil {
		if t.planned {
			return o // every node goes on with it once replication has caught up
		}
		return h.leaveBehind(ctx, t, o)
	}
	o.err = h.promote(ctx, t, &o, false)
	return o
}

// record fences the old server for good, now that the new one has all of it.
func (h *hand) record(ctx context.Context, from station, t *task, o *outcome) error {
	return h.do(ctx, func(ctx context.Context) error {
		left, recorded, err := from.fence(ctx, t.epoch, true, nil)
		o.epoch.gtid = recorded
		return lefterr(left, err)
	})
}

// limit is how long the old server may take to be locked. The profile's timeout has
// failed before where it is dead.
func (h *hand) limit(t *task) time.Duration {
	if t.hopeless {
		return h.timing.timeout / 5
	}
	return h.timing.act
}

// withoutOld goes on if the old server cannot be reached. One that answers and will
// not be locked is a reason to stop: it could go on writing.
func (h *hand) withoutOld(ctx context.Context, t *task, o outcome, err error) outcome {
	if !t.force && (t.planned || !t.hopeless || present(err)) {
		o.err = fmt.Errorf("dbfailover: the %v server could not be fenced: %w", t.to.other(), err)
		return o
	}
	if h.stale(t) { // the old server may be back and in use by now
		o.err = errStale
		return o
	}
	o.err = h.promote(ctx, t, &o, true)
	return o
}

// tailLost taints a server that was restored from an old copy, or lost writes in a crash. It
// gives numbers again that are in use, so a moment later nothing tells it from a server
// that has all; only an administrator can mend it.
const tailLost = "it lacks writes of its own, as after a restore from an old copy: set it up anew from the other server"

// tailPassed taints a server that passed over the tail that Force decided for, or that the other
// server had when it took over again before anybody had looked for it.
const tailPassed = "it has passed over a tail of the server that is in use: copy the schemas from there"

// taint adds to the tail of the server to be fenced what else is wrong with it.
func (t *task) taint(tail string) string {
	switch {
	case !t.passed:
		return tail
	case tail == "":
		return tailPassed
	}
	return tail + "; and " + tailPassed
}

// leaveBehind promotes a server that cannot get all that the old one has: the old one
// is fenced, and its tail judged now, while both can be read.
func (h *hand) leaveBehind(ctx context.Context, t *task, o outcome) outcome {
	from, to := h.stations[t.to.other()], h.stations[t.to]
	found := tailLost
	if !t.lost {
		o.err = h.do(ctx, func(ctx context.Context) error {
			at, err := to.position(ctx)
			if err == nil {
				found, err = from.tail(ctx, at)
			}
			found = t.taint(found)
			return err
		})
	}
	if o.err == nil {
		o.err = h.bar(ctx, from, t.epoch, &found)
	}
	if o.err == nil {
		o.err = h.promote(ctx, t, &o, true)
	}
	return o
}

// pastThreads promotes although killed threads of the application do not end. On a full
// disk a commit of MySQL's waits behind another thread's that nobody may kill. What they
// still write is acknowledged to nobody, as a kill shuts their sockets first, and is found
// as a tail when they have ended (unjudged). Until the old server knows of the epoch, another
// node could open it again.
func (h *hand) pastThreads(ctx context.Context, t *task, o outcome, at string) outcome {
	if !t.lost {
		_ = h.reach(ctx, h.stations[t.to], at) // else it is in the tail as well
	}
	if time.Since(t.began) > h.timing.act+h.timing.catch+h.timing.timeout {
		o.err = errStale
		return o
	}
	o.err = h.do(ctx, func(ctx context.Context) error { return h.stations[t.to.other()].disown(ctx, t.epoch) })
	if o.err == nil {
		o.err = h.promote(ctx, t, &o, true)
	}
	return o
}

// undo opens the old server again, if the epoch is still its own.
func (h *hand) undo(ctx context.Context, t *task, o outcome, err error) outcome {
	from := h.stations[t.to.other()]
	undoErr := h.do(ctx, func(ctx context.Context) error { return from.unfence(ctx, t.from.number) })
	o.err = fmt.Errorf("dbfailover: move to the %v server given up: %w", t.to, errors.Join(err, undoErr))
	return o
}

// promote opens the new server. The position of its own row is the epoch's from then on:
// with no position, or the old server's, one that was not there in this epoch would pass
// for fit when the new one fails before anybody has looked at it.
func (h *hand) promote(ctx context.Context, t *task, o *outcome, quarantine bool) error {
	return h.do(ctx, func(ctx context.Context) error {
		gtid, err := h.stations[t.to].promote(ctx, t.epoch.number, quarantine, t.force)
		if err == nil {
			o.epoch.gtid = gtid
		}
		return err
	})
}

// reach waits until a server has what the position says.
func (h *hand) reach(ctx context.Context, s station, want string) error {
	limited, cancel := context.WithTimeout(ctx, h.timing.catch)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		at, err := s.position(limited)
		if err == nil && covers(at, want) {
			return nil
		}
		if err != nil && limited.Err() == nil {
			return err
		}
		select {
		case <-limited.Done():
			return errBehind
		case <-time.After(pause):
		}
	}
}
