package dbfailover

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// schedules is how many random schedules are played; DBFAILOVER_SCHEDULES overrides it.
// They compute all the time, so they do not run beside tests that watch real servers.
func schedules() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("DBFAILOVER_SCHEDULES"), 10, 64); err == nil {
		return n
	}
	return 20
}

// faults is what a schedule may do.
type faults struct {
	crash, pause, paths, feeds, nodes, full, slips bool
}

func TestOneWriterInThousandsOfSchedules(t *testing.T) {
	for name, f := range map[string]faults{
		"crashes":    {crash: true, nodes: true},
		"partitions": {paths: true, feeds: true, nodes: true},
		"full disks": {full: true, nodes: true},
		"slips":      {slips: true, crash: true, nodes: true},
		"everything": {crash: true, pause: true, paths: true, feeds: true, nodes: true, full: true, slips: true},
	} {
		t.Run(name, func(t *testing.T) {
			moves := 0
			for seed := range schedules() {
				synctest.Test(t, func(t *testing.T) { moves += playPair(t, seed, f) })
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			if uint64(moves) < schedules()/2 {
				t.Errorf("only %d moves: the schedules prove nothing", moves)
			}
		})
	}
}

type pairSchedule struct {
	t      *testing.T
	rng    *rand.Rand
	faults faults
	world  *simWorld
	nodes  []*simNode
}

// playPair returns how many epochs the schedule led through.
func playPair(t *testing.T, seed uint64, f faults) int {
	rng := rand.New(rand.NewPCG(seed, 6))
	times, err := []Timers{Careful, Fast}[seed%2].timing()
	must(t, err)
	p := &pairSchedule{t: t, rng: rng, faults: f, world: newSimWorld(rand.New(rand.NewPCG(seed, 7)))}
	if f.slips {
		p.world.flaky = 30
	}
	for i := range 3 {
		p.nodes = append(p.nodes, newSimNode(p.world, fmt.Sprintf("n%d", i), times))
	}
	time.Sleep(2 * time.Second)
	// Few faults with time to recover, or many that meet in the middle of a recovery.
	rounds, apart := 12, 5000
	if seed/2%2 == 1 {
		rounds, apart = 60, 900
	}
	for range rounds {
		time.Sleep(time.Duration(rng.IntN(apart)) * time.Millisecond)
		p.disturb()
	}
	p.heal()
	time.Sleep(40 * time.Second)
	p.judge()
	for _, n := range p.nodes {
		n.stop()
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return int(max(p.world.servers[0].top().number, p.world.servers[1].top().number)) - 1
}

func (p *pairSchedule) disturb() {
	i, n := p.rng.IntN(2), p.nodes[p.rng.IntN(len(p.nodes))]
	switch pick := p.rng.IntN(11); {
	case pick == 0 && p.faults.crash:
		p.world.kill(i)
	case pick == 1 && p.faults.pause:
		p.world.set(func() { p.world.servers[i].paused = p.world.servers[i].up })
	case pick == 2 && p.faults.paths:
		p.world.set(func() { n.cuts[i] = !n.cuts[i] })
	case pick == 3 && p.faults.feeds:
		p.world.set(func() { p.world.feed[i] = !p.world.feed[i] })
	case pick == 4 && p.faults.nodes:
		n.stop()
		n.start()
	case pick == 5:
		n.order(Role(i))
	case pick == 6 && p.faults.full:
		p.world.set(func() { p.world.servers[i].full = p.world.servers[i].up })
	case pick == 7 && p.faults.full:
		p.world.free(i)
	case pick == 8: // two people who do not know of each other
		n.order(Role(i))
		p.nodes[p.rng.IntN(len(p.nodes))].order(Role(1 - i))
	default:
		p.world.start(i)
	}
}

func (p *pairSchedule) heal() {
	p.world.set(func() { p.world.feed, p.world.flaky = [2]bool{true, true}, 0 })
	for i := range 2 {
		p.world.start(i)
		p.world.free(i)
	}
	for _, n := range p.nodes {
		p.world.set(func() { n.cuts = [2]bool{} })
	}
}

// judge looks at what is left when all is well again.
func (p *pairSchedule) judge() {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	a, b := w.servers[0], w.servers[1]
	if a.locked == b.locked {
		p.t.Errorf("both locked (%v) or both open, tops %+v and %+v", a.locked, a.top(), b.top())
		p.describe()
		return
	}
	writer, other := 0, b
	if a.locked {
		writer, other = 1, a
	}
	if top := w.servers[writer].top(); top.server != w.servers[writer].id || other.top().number != top.number || other.top().server != top.server {
		p.t.Errorf("the writer is server %d, tops %+v and %+v", writer+1, a.top(), b.top())
	}
	for _, n := range p.nodes {
		n.mu.Lock()
		if !n.pair.state.serving() || int(n.pair.active) != writer {
			p.t.Errorf("%s is in %v with the %v: %s", n.name, n.pair.state, n.pair.active, n.pair.reason)
		}
		if n.pair.deaf(Primary) || n.pair.deaf(Secondary) {
			p.t.Errorf("%s takes canaries for lost", n.name)
		}
		n.mu.Unlock()
	}
	p.rows(writer)
	p.same(writer)
	p.order()
	if p.t.Failed() {
		p.describe()
	}
}

// rows: what was acknowledged is with the writer, or in the recorded tail.
func (p *pairSchedule) rows(writer int) {
	w := p.world
	for i, c := range w.commits {
		if !c.acked || w.servers[writer].rows[c.row] {
			continue
		}
		s := w.servers[c.server]
		inTail := false
		if s.tainted >= 0 {
			for _, e := range s.own[s.tainted:] {
				inTail = inTail || e.row == c.row
			}
		}
		if !inTail {
			p.t.Errorf("commit %d, %q on server %d in epoch %d, was acknowledged and is gone", i, c.row, c.server+1, c.epoch)
			return
		}
	}
}

// order: without partitions, pauses and looks that take too long nothing is committed in an epoch once a higher
// one has had a commit, but for what waited for the disk when it was killed, of which
// nobody was told. With them, what a server did before it could be told is in its tail;
// rows has checked that.
func (p *pairSchedule) order() {
	if p.faults.paths || p.faults.pause || p.faults.slips {
		return
	}
	highest := uint64(0)
	for _, c := range p.world.commits {
		if c.epoch < highest && (c.acked || !p.faults.full) {
			p.t.Errorf("%q committed in epoch %d after epoch %d had begun", c.row, c.epoch, highest)
		}
		highest = max(highest, c.epoch)
	}
}

func (p *pairSchedule) describe() {
	for _, s := range p.world.servers {
		p.t.Logf("server %d: locked %v, quarantined %v, tail %q, gated %v, top %+v", s.id, s.locked, s.quarantined, s.tail, s.gated, s.top())
	}
	for _, n := range p.nodes {
		for _, c := range n.seen[max(0, len(n.seen)-12):] {
			p.t.Logf("%s %v: %v -> %v, %v, epoch %d: %s", n.name, c.At.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), c.From, c.To, c.Active, c.Epoch, c.Reason)
		}
	}
}

// same: an untainted server has no row that the writer lacks, nor the other way round.
func (p *pairSchedule) same(writer int) {
	a, b := p.world.servers[writer], p.world.servers[1-writer]
	if b.tail != "" || b.quarantined {
		return
	}
	for row := range b.rows {
		if !a.rows[row] {
			p.t.Errorf("%q is on server %d alone, which is not tainted; writer %d", row, b.id, a.id)
			return
		}
	}
	for row := range a.rows {
		if !b.rows[row] && b.applied == b.received && b.received == len(a.own) {
			p.t.Errorf("%q is on the writer %d alone (quarantined %v)", row, a.id, a.quarantined)
			return
		}
	}
}
