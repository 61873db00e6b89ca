package dbfailover

import (
	"errors"
	"time"
)

// order takes an operator's wish, or says why not.
func (p *pair) order(to Role, force bool, now time.Time) (*task, error) {
	if owner, known := p.owner(); known && owner == to && p.state == home(to) {
		return nil, nil
	}
	switch {
	case p.ids[to] == 0:
		return nil, errors.New("it has never been reached")
	case p.twins():
		return nil, errors.New(whyTwins)
	case p.wish != nil: // whose caller waits for an answer
		return nil, errors.New("another switch is about to begin")
	}
	if _, ok := p.view(to); !ok {
		return nil, errors.New("its last check failed: " + p.servers[to].reason)
	}
	if why := p.objection(to, now); why != "" && !force {
		return nil, errors.New(why)
	}
	p.wish = &task{kind: taskMove, to: to, planned: !force, force: force, reason: "ordered by Switch", answer: make(chan error, 1)}
	return p.wish, nil
}

// objection is what only Force overrides.
func (p *pair) objection(to Role, now time.Time) string {
	if p.split() {
		return "the same epoch is on both servers"
	}
	if why := p.unfit(to, now); why != "" && why != whyNotApplied {
		return why // what is not applied yet, the move waits for
	}
	if owner, known := p.owner(); known && owner != to {
		o, ok := p.view(owner)
		if !ok {
			return "the other server cannot be fenced, it does not answer; Force skips that"
		}
		if o.quarantined {
			return "the other server is in quarantine: what it wrote has not arrived here"
		}
	}
	return ""
}
