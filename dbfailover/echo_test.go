package dbfailover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A server whose gate does not reach the other one must not be promoted: the other one would
// return with a tail, and take the new writer's rows over it. Ways to leave the schema out that
// look harmless, since "it belongs to each server for itself".
func TestServerWhoseGateDoesNotArriveIsNotPromoted(t *testing.T) {
	for what, line := range map[string]string{
		"ignored":            "replicate-wild-ignore-table=hipaakit.%",
		"only the schemas":   "replicate-wild-do-table=north%.%\nreplicate-wild-do-table=south%.%",
		"not even in a log":  "binlog-ignore-db=hipaakit",
		"ignored by a table": "replicate-ignore-table=hipaakit.gate\nreplicate-ignore-table=hipaakit.canary",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := newStage(t, testbed.Options{})
			for _, s := range d.pair.Servers {
				s.Stop()
				s.Configure(line)
				s.Start()
			}
			a := d.node(t, "north", "a", Fast)
			a.well(t, StatePrimary, 1)
			eventually(t, "an alarm for both", func() bool {
				alarms := a.c.Status().Alarms
				return slices.Contains(alarms, "primary: "+whyDeaf) && slices.Contains(alarms, "secondary: "+whyDeaf)
			})
			if err := a.c.Switch(t.Context(), Secondary); err == nil || !strings.Contains(err.Error(), whyDeaf) {
				t.Errorf("Switch: %v", err)
			}
			d.pair.Servers[0].Kill()
			a.reaches(t, StateDown, 1)
			if why := a.c.Status().Reason; !strings.Contains(why, whyDeaf) {
				t.Errorf("DOWN: %s", why)
			}
			d.pair.Servers[0].Start()
			a.well(t, StatePrimary, 1)
			a.firstGood(t, "again")
		})
	}
}

// chorus is a round: a canary arrives on the primary, which is looked at before the secondary.
func (p *panel) chorus(n, heard uint64, at string) {
	p.beat(Primary, n, true, false, p.now, p.now)
	p.see(Primary, func(s *sight) { s.at = at })
	p.see(Secondary, func(s *sight) { s.at, s.echo = at, heard })
}

func TestCanariesThatDoNotArriveAreToldFromThoseOnTheirWay(t *testing.T) {
	const here = "1-1-11,2-2-10"
	for what, c := range map[string]struct {
		play func(p *panel)
		deaf bool
	}{
		"they arrive":            {func(p *panel) { p.chorus(7, 7, here); p.chorus(8, 8, here); p.chorus(9, 9, here) }, false},
		"they do not":            {func(p *panel) { p.chorus(7, 0, here); p.chorus(8, 0, here); p.chorus(9, 0, here) }, true},
		"two do not":             {func(p *panel) { p.chorus(7, 0, here); p.chorus(8, 0, here) }, false},
		"one of an earlier life": {func(p *panel) { p.chorus(7, 6, here); p.chorus(8, 6, here); p.chorus(9, 6, here) }, true},
		"one of three does": {func(p *panel) {
			p.chorus(7, 0, here)
			p.chorus(8, 0, here)
			p.chorus(9, 9, here)
			p.chorus(10, 0, here)
		}, false},
		"later ones do": {func(p *panel) { p.chorus(7, 9, here); p.chorus(8, 9, here); p.chorus(9, 9, here) }, false},
		"one is looked at often": {func(p *panel) {
			p.chorus(7, 0, here)
			p.see(Secondary)
			p.see(Primary)
			p.see(Secondary)
			p.see(Primary)
			p.see(Secondary)
		}, false},
		"they make no transaction": {func(p *panel) { p.chorus(7, 0, "2-2-10"); p.chorus(8, 0, "2-2-10"); p.chorus(9, 0, "2-2-10") }, true},
		"they are on their way": {func(p *panel) {
			for n := range uint64(9) {
				p.beat(Primary, n+1, true, false, p.now, p.now)
				p.see(Primary, func(s *sight) { s.at = here })
				p.see(Secondary)
			}
		}, false},
		"the look began before the canary ended": {func(p *panel) {
			for n := range uint64(9) {
				p.beat(Primary, n+1, true, false, p.now, p.now.Add(time.Hour))
				p.see(Primary)
				p.see(Secondary)
			}
		}, false},
		"they hang": {func(p *panel) {
			for n := range uint64(9) {
				p.beat(Primary, n+1, false, true, p.now, p.now)
				p.see(Primary)
				p.see(Secondary)
			}
		}, false},
		"it came back as another server": {func(p *panel) {
			p.beat(Primary, 7, true, false, p.now, p.now)
			p.see(Primary, func(s *sight) { s.at = "1-1-99,2-2-10" }) // which it never has again
			p.check(Primary, HealthDead, sight{})
			p.chorus(8, 0, here)
			p.chorus(9, 0, here)
			p.chorus(10, 0, here)
		}, true},
	} {
		p := serving(t)
		if c.play(p); p.deaf(Primary) != c.deaf || p.deaf(Secondary) {
			t.Errorf("%s: deaf %v, %v", what, p.deaf(Primary), p.deaf(Secondary))
		}
		if why := p.unfit(Secondary, p.now); (why == whyDeaf) != c.deaf {
			t.Errorf("%s: unfit: %q", what, why)
		}
	}
}
