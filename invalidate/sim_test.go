package invalidate

import (
	"context"
	"testing"
	"time"
)

// TestReadsNeverGoBack runs random schedules of loss, doubling, delay, reordering, one-way cuts,
// pauses, kills, closes and restarts. No Get may return less than what an earlier operation showed,
// nor less than what had landed the lease time before it began.
func TestReadsNeverGoBack(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() || underRace {
		seeds = 40
	}
	hits, puts := 0, 0
	for seed := range seeds {
		w := simulate(t, seed, lies{})
		hits, puts = hits+w.hits, puts+w.puts
		for _, v := range w.violations {
			t.Errorf("seed %d: %s", seed, v)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	// A node that is never fresh is never wrong: the promise must have been kept by serving.
	t.Logf("%d hits served unconfirmed, %d writes", hits, puts)
	if hits < int(seeds)*100 || puts < int(seeds)*50 {
		t.Errorf("only %d hits and %d writes in %d schedules prove little", hits, puts, seeds)
	}
}

// TestEachPartOfTheMechanismIsNeeded switches parts off one at a time, by lying to the nodes, and
// demands that the simulation notices.
func TestEachPartOfTheMechanismIsNeeded(t *testing.T) {
	hour := time.Hour
	for name, l := range map[string]lies{
		"lease ignored":              {wrap: func(n *Node) coherence { return leaseless{n} }},
		"announcements not awaited":  {wrap: func(n *Node) coherence { return impatient{n} }},
		"cache looked up before ask": {looksFirst: true},
		"suspect ignored":            {unshaken: true},
		"intents swallowed": {wire: wireLie{
			swallow: func(m notice) bool { return !m.Over },
			answer:  func(a *leaseAnswer) { a.Open = nil },
		}},
		"missed counter hidden": {wire: wireLie{answer: func(a *leaseAnswer) { a.Missed = 1 }}},
		"boot ids all the same": {wire: wireLie{
			request: func(to *Node, q *leaseRequest) {
				if q.Seen.Boot != "" {
					q.Seen.Boot = to.grants.boot
				}
			},
			answer: func(a *leaseAnswer) { a.Boot = "same" },
			notice: func(m *notice) { m.Boot = "same" },
		}},
		"peers' orphans forgotten": {wire: wireLie{answer: func(a *leaseAnswer) { a.Age = hour }}},
		"own orphans forgotten":    {wire: wireLie{answer: func(a *leaseAnswer) { a.Heir = true }}},
	} {
		t.Run(name, func(t *testing.T) {
			const enough = 1500
			for seed := range uint64(enough) {
				if w := simulate(t, seed, l); len(w.violations) > 0 {
					t.Logf("noticed with seed %d: %s", seed, w.violations[0])
					return
				}
			}
			t.Errorf("%d schedules noticed nothing", enough)
		})
	}
}

// leaseless believes in doubts only.
type leaseless struct{ *Node }

func (l leaseless) Fresh(key string) bool {
	f := &l.leases.fresh
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.doubts[key] == 0
}

// impatient writes without waiting for anybody.
type impatient struct{ *Node }

func (i impatient) Announce(_ context.Context, key string) (func(), error) {
	a, err := i.announce(context.Background(), key)
	if err != nil {
		return func() {}, err
	}
	return func() { a.cancel(); i.sayOver(a, i.grants.finish(a, true)) }, nil
}
