package dbfailover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneWriterWhateverPeopleDo plays what servers and networks do not do by themselves:
// an operator who forces, processes that stand still between two steps of a move and then go
// on, and web nodes that lose the folder with the epoch.
func TestOneWriterWhateverPeopleDo(t *testing.T) {
	for name, h := range map[string]human{
		"stopped": {stop: true}, "forgetful": {forget: true}, "forced": {force: true},
		"all": {stop: true, forget: true, force: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range max(4, schedules()/4) { // each is long, and there are four kinds
				synctest.Test(t, func(t *testing.T) { playHuman(t, seed, h) })
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

type human struct{ stop, forget, force bool }

// stopping is a station whose node may stand still after any step.
type stopping struct {
	*simLink
	gate *gate
}

func (s stopping) lock(ctx context.Context, n uint64) (int, string, error) {
	defer s.gate.pass()
	return s.simLink.lock(ctx, n)
}

func (s stopping) fence(ctx context.Context, e epoch, own bool, tail *string) (int, string, error) {
	defer s.gate.pass()
	return s.simLink.fence(ctx, e, own, tail)
}

func (s stopping) disown(ctx context.Context, e epoch) error {
	defer s.gate.pass()
	return s.simLink.disown(ctx, e)
}

func (s stopping) position(ctx context.Context) (string, error) {
	defer s.gate.pass()
	return s.simLink.position(ctx)
}

func (s stopping) tail(ctx context.Context, since string) (string, error) {
	defer s.gate.pass()
	return s.simLink.tail(ctx, since)
}

func (s stopping) ready(ctx context.Context) error {
	defer s.gate.pass()
	return s.simLink.ready(ctx)
}

func (s stopping) promote(ctx context.Context, n uint64, quarantine, force bool) (string, error) {
	defer s.gate.pass()
	return s.simLink.promote(ctx, n, quarantine, force)
}

// gate holds one node while it is shut.
type gate struct {
	world *simWorld
	shut  chan struct{}
}

func (g *gate) pass() {
	g.world.mu.Lock()
	shut := g.shut
	g.world.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

func (g *gate) set(shut bool) {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
	}
	if g.shut = nil; shut {
		g.shut = make(chan struct{})
	}
}

// humanSchedule is a schedule with people in it.
type humanSchedule struct {
	pairSchedule
	human human
	gates []*gate
}

func playHuman(t *testing.T, seed uint64, h human) {
	rng := rand.New(rand.NewPCG(seed, 16))
	times, err := []Timers{Careful, Fast}[seed%2].timing()
	must(t, err)
	world := newSimWorld(rand.New(rand.NewPCG(seed, 17)))
	// With paths the order of commits is not judged: what is stopped or forced may break it.
	p := &humanSchedule{human: h, pairSchedule: pairSchedule{t: t, rng: rng, world: world,
		faults: faults{crash: true, pause: !h.force, paths: true, feeds: true, nodes: true}}}
	for i := range 4 {
		n, g := newSimNode(world, fmt.Sprintf("n%d", i), times), &gate{world: world}
		n.stop()
		for r := range n.links {
			n.hand.stations[r] = stopping{n.links[r], g}
		}
		n.start()
		p.nodes, p.gates = append(p.nodes, n), append(p.gates, g)
	}
	time.Sleep(2 * time.Second)
	rounds, apart := 12, 5000
	if seed/2%2 == 1 {
		rounds, apart = 60, 900
	}
	for range rounds {
		time.Sleep(time.Duration(rng.IntN(apart)) * time.Millisecond)
		p.act()
	}
	p.end()
}

func (p *humanSchedule) act() {
	k := p.rng.IntN(len(p.nodes))
	n, g := p.nodes[k], p.gates[k]
	switch pick := p.rng.IntN(12); {
	case pick < 2 && p.human.stop:
		g.set(true)
	case pick == 3 && p.human.forget:
		g.set(false) // a node that stands still cannot be ended
		n.stop()
		n.kept = memory{}
		n.start()
	case pick == 4 && p.human.force:
		n.force(Role(p.rng.IntN(2)))
	default:
		p.goOn()
		p.disturb()
	}
}

// goOn lets all stopped nodes go on: some faults end a node.
func (p *humanSchedule) goOn() {
	for _, g := range p.gates {
		g.set(false)
	}
}

// end heals everything and judges. By Force two tails may face each other; then nobody may
// write until somebody forces again.
func (p *humanSchedule) end() {
	p.goOn()
	p.heal()
	time.Sleep(time.Minute)
	for range 60 { // a failback may be under way
		if p.settled() {
			break
		}
		time.Sleep(time.Second)
	}
	if !p.tails() {
		p.judge()
	} else if !p.settled() {
		p.t.Errorf("two tails, and neither is kept out")
		p.describe()
	}
	for _, n := range p.nodes {
		n.stop()
	}
}

// tails reports whether both servers have one.
func (p *humanSchedule) tails() bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.human.force && p.world.servers[0].tail != "" && p.world.servers[1].tail != ""
}

func (p *humanSchedule) settled() bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	a, b := p.world.servers[0], p.world.servers[1]
	if a.tail != "" && b.tail != "" {
		return a.locked && b.locked
	}
	return a.locked != b.locked
}

func (n *simNode) force(to Role) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.pair.order(to, true, time.Now()); err == nil {
		n.apply(nil)
	}
}
