package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// replicated is what a Connector has in addition for servers that replicate to each
// other.
type replicated struct {
	app      App
	pair     *pair
	hand     hand
	canaries [2]station
	ends     [2]*endpoint // of the hand
	kept     memory       // as it is on disk
	wrong    [2][]string  // what must not be, found after New

	keeping sync.Mutex // held while the file is written
	again   time.Time  // not before, after a failure; guarded by keeping
	forgets bool       // the last try failed; guarded by the Connector's mutex
}

// newReplicated prepares the stations and the checks' way of looking.
func newReplicated(cfg *Config, times timing, now time.Time) (*replicated, error) {
	kept, err := recall(cfg.App)
	if err != nil {
		return nil, err
	}
	r := &replicated{
		app: cfg.App, pair: newPair(times, cfg.App.Failback, kept, now), kept: kept,
		hand: hand{timing: times},
	}
	for _, role := range []Role{Primary, Secondary} {
		end, err := newMonitor(cfg, role)
		if err != nil {
			return nil, err
		}
		r.ends[role] = end
		r.hand.stations[role] = &server{end: end, app: cfg.App}
		r.canaries[role] = &server{end: end, app: cfg.App}
	}
	return r, nil
}

// newMonitor is the way into a server for the checks: another account, no schema, and
// none of the application's settings.
func newMonitor(cfg *Config, role Role) (*endpoint, error) {
	monitor := *cfg
	monitor.Database, monitor.Credentials = "", cfg.App.Monitor
	monitor.Session = Session{InterpolateParams: true}
	return newEndpoint(&monitor, role)
}

// inspect asks both servers what is wrong with the application's account. A server
// that cannot be asked now is asked when it can be, see sing.
func (r *replicated) inspect(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var work sync.WaitGroup
	var found [2]error
	for role, s := range r.hand.stations {
		work.Go(func() {
			list, err := s.refusals(ctx)
			if err == nil && len(list) > 0 {
				found[role] = fmt.Errorf("dbfailover: on the %v server this cannot be fenced: %s", Role(role), list[0])
			}
		})
	}
	work.Wait()
	if err := r.mixed(); err != nil {
		return err
	}
	return errors.Join(found[:]...)
}

// mixed is the error of a pair that is none.
func (r *replicated) mixed() error {
	one, knownOne := r.ends[Primary].met.get()
	two, knownTwo := r.ends[Secondary].met.get()
	if knownOne && knownTwo && one != two {
		return fmt.Errorf("dbfailover: the primary is a %v server and the secondary a %v server: both have to be of one flavour", one, two)
	}
	return nil
}

// leave gives up the hand's connections.
func (r *replicated) leave() {
	for _, s := range r.hand.stations {
		s.leave()
	}
}

// work runs the hand until ctx ends.
func (c *Connector) handle(ctx context.Context) {
	r := c.replicated
	defer r.leave()
	for {
		c.mu.Lock()
		news := c.news
		t, changes := r.pair.next(time.Now())
		if len(changes) > 0 {
			c.apply(changes)
		}
		c.mu.Unlock()
		c.flush()
		if t == nil {
			select {
			case <-news:
				continue
			case <-ctx.Done():
				return
			}
		}
		o := r.hand.carry(ctx, t)
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.note(t, o)
		c.apply(r.pair.finish(t, o))
		c.mu.Unlock()
		c.remember()
		c.flush()
		if t.answer != nil {
			t.answer <- o.err
		}
		for _, p := range c.probers {
			p.poke()
		}
	}
}

// sing writes canaries to one server until ctx ends.
func (c *Connector) sing(ctx context.Context, role Role) {
	s, beat := c.replicated.canaries[role], uint64(time.Now().UnixMilli())
	var inspected time.Time
	defer s.leave()
	for {
		if c.canary(ctx, role, beat) && time.Since(inspected) > inspectEvery {
			inspected = time.Now()
			c.inspect(ctx, role, s)
		}
		beat++
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.timing.beat):
		}
	}
}

// canary writes one, if it may, and reports whether it arrived.
func (c *Connector) canary(ctx context.Context, role Role, beat uint64) bool {
	began := time.Now()
	c.mu.Lock()
	may := c.replicated.pair.sings(role)
	c.mu.Unlock()
	if !may {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, c.timing.stall/2)
	err := c.replicated.canaries[role].beat(limited, beat)
	cancel()
	if ctx.Err() != nil {
		return false
	}
	c.mu.Lock()
	if health, reason := judge(err); health == HealthRefusing {
		c.replicated.pair.refuse(role, reason)
	}
	c.apply(c.replicated.pair.beat(role, beat, err == nil, cannotWrite(err), began, time.Now()))
	c.mu.Unlock()
	c.flush()
	return err == nil
}

// inspectEvery is how often a server is asked what its account may do: rights can be
// granted after New has looked.
const inspectEvery = time.Minute

// inspect raises an alarm where New would have refused.
func (c *Connector) inspect(ctx context.Context, role Role, s station) {
	limited, cancel := context.WithTimeout(ctx, c.timing.act)
	defer cancel()
	list, err := s.refusals(limited)
	if err != nil {
		return // the checks have it too
	}
	if err := c.replicated.mixed(); err != nil {
		list = append([]string{err.Error()}, list...)
	}
	c.mu.Lock()
	if len(list) > 0 && !slices.Equal(list, c.replicated.wrong[role]) {
		c.pending = append(c.pending, wrongEntry(role, list[0]))
	}
	c.replicated.wrong[role] = list
	c.mu.Unlock()
	c.flush()
}

// cannotWrite says whether a canary failed for the server's sake.
func cannotWrite(err error) bool {
	if err == nil {
		return false
	}
	health, _ := judge(err)
	return health == HealthDead || serverSaid(err, errDiskFull, errTableFull, errFromEngine, errWritingFile)
}

// remember keeps the highest epoch on disk.
func (c *Connector) remember() {
	r := c.replicated
	if r == nil {
		return
	}
	r.keeping.Lock()
	defer r.keeping.Unlock()
	c.mu.Lock()
	now := memory{highest: r.pair.highest, ids: r.pair.ids}
	vouched := r.pair.vouched
	c.mu.Unlock()
	if now == r.kept || !vouched || now.highest.number < r.kept.highest.number || time.Now().Before(r.again) {
		return
	}
	err := now.keep(r.app)
	if err == nil {
		r.kept = now
	} else {
		r.again = time.Now().Add(keepAgain)
	}
	c.mu.Lock()
	if err != nil && !r.forgets {
		c.pending = append(c.pending, forgetEntry())
	}
	r.forgets = err != nil
	c.mu.Unlock()
}

// keepAgain is the pause before the epoch is written again to a folder that is gone or
// full.
const keepAgain = 5 * time.Second
