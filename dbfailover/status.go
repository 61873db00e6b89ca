package dbfailover

import (
	"maps"
	"slices"
	"time"
)

// Status is a snapshot of a Connector, fit for a status page: it holds addresses
// and fixed texts, no messages of a server and no secrets.
type Status struct {
	Topology string
	Timers   string
	State    State
	// Active is the server in use; in INIT, SUSPECT and DOWN the one that was or
	// would be.
	Active Role
	// Epoch is 1 at the start and grows by one with each change of Active.
	Epoch  uint64
	Since  time.Time // when State was entered
	Reason string
	// App and Node are Config.App's names; the four below are for Replicated too.
	App, Node string
	// RPOZero: semi-synchronous replication (AFTER_SYNC) is active on the server in
	// use, so what was acknowledged is on both servers.
	RPOZero bool
	// Vetoed: other web nodes still reach the server that this one has lost.
	Vetoed bool
	// Alarms lists what somebody has to look at, in fixed texts.
	Alarms []string
	// Servers is indexed by Role.
	Servers [2]ServerStatus
	// Entered counts how often each state has been entered.
	Entered map[State]uint64
	// Recent holds the last 16 transitions, oldest first.
	Recent []Transition
}

// ServerStatus is one server in a [Status].
type ServerStatus struct {
	Role   Role
	Addr   string
	Health Health
	Reason string
	// Checked is when the last check ended, zero if there was none; RoundTrip what
	// it took, with a login now and then.
	Checked   time.Time
	RoundTrip time.Duration
	// Failures is the number of failed checks in a row.
	Failures int
	// ReadOnly is the server's global read_only variable, from the last good check.
	ReadOnly bool
	// Replication is nil for Independent, and until a check has read it.
	Replication *Replication
	// Connections is how many the application has open to it.
	Connections int
}

// Replication is one server of a replicated pair, from its last good check.
type Replication struct {
	ServerID uint32
	Position string // GTID
	// Epoch is the highest that the server has recorded, EpochServer whose it is.
	Epoch       uint64
	EpochServer uint32
	// Locked: the application's account is.
	Locked bool
	// Receiving and Applying: the two threads run. Lag is in seconds, -1 unknown.
	Receiving, Applying bool
	Lag                 int
	// Error is why applying stopped, 0 if it did not.
	Error int
	// Quarantined: the server ignores the application's schemas from the other one.
	Quarantined bool
	// Tail says what the server has that the other one never got, and how to look at
	// it. If there is any, it is not promoted until an administrator has repaired it
	// and called hipaakit.repaired_<app>, see docs/database.md.
	Tail string
}

// Status returns what is known now, without asking a server.
func (c *Connector) Status() Status {
	counts := c.sockets.count()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.decider.stands()
	s := Status{
		Topology: c.topology.String(), Timers: c.timers.String(),
		State: m.state, Active: m.active, Epoch: m.epoch, Since: m.since, Reason: m.reason,
		Entered: maps.Clone(c.entered), Recent: slices.Clone(c.last),
	}
	for role, h := range m.servers {
		s.Servers[role] = ServerStatus{
			Role: Role(role), Addr: c.endpoints[role].server.Addr,
			Health: h.health, Reason: h.reason, Checked: h.ended, RoundTrip: h.ended.Sub(h.began),
			Failures: h.failures, ReadOnly: h.sight.readOnly, Connections: counts[role],
			Replication: h.sight.replication(),
		}
	}
	if c.replicated != nil {
		c.replicated.describe(&s, time.Now())
	}
	return s
}

func (s sight) replication() *Replication {
	if !s.known {
		return nil
	}
	return &Replication{
		ServerID: s.id, Position: s.at, Epoch: s.top.number, EpochServer: s.top.server, Locked: s.locked,
		Receiving: s.feed.receiving, Applying: s.feed.applying, Lag: s.feed.lag, Error: s.feed.errno,
		Quarantined: s.quarantined, Tail: s.tail,
	}
}

// describe adds what only replicated servers have.
func (r *replicated) describe(s *Status, now time.Time) {
	p := r.pair
	s.App, s.Node, s.Vetoed = r.app.Name, r.app.Node, p.vetoed(now)
	active, ok := p.view(p.active)
	// Semi-sync is acknowledged by a relay log, also of a server that skips the rows.
	standby, there := p.view(p.active.other())
	s.RPOZero = ok && p.state.serving() && active.semiSync &&
		there && standby.feed.receiving && !standby.quarantined && standby.tail == ""
	if ok && active.neighbours > 0 {
		s.Alarms = append(s.Alarms, "another application has the same writer: one server carries both")
	}
	if r.forgets {
		s.Alarms = append(s.Alarms, "App.Folder cannot be written: after a restart the epoch in use is not known")
	}
	if p.twins() {
		s.Alarms = append(s.Alarms, whyTwins)
	}
	if alarm := p.trials.alarm(); alarm != "" {
		s.Alarms = append(s.Alarms, alarm)
	}
	for _, role := range []Role{Primary, Secondary} {
		for _, what := range r.wrong[role] {
			s.Alarms = append(s.Alarms, role.String()+": this cannot be fenced: "+what)
		}
		for _, alarm := range p.alarms(role, now) {
			s.Alarms = append(s.Alarms, role.String()+": "+alarm)
		}
	}
}

// alarms of one server.
func (p *pair) alarms(r Role, now time.Time) (list []string) {
	h := p.servers[r]
	if h.health != HealthOK || !h.sight.known {
		return []string{h.health.String() + " (" + h.reason + ")"}
	}
	for _, a := range []struct {
		is   bool
		text string
	}{
		{h.sight.tail != "", "tainted: it has writes that never replicated"},
		{h.sight.quarantined, "quarantined: it takes over no writes of the application"},
		{!h.sight.feed.receiving, "replication: not receiving"},
		{!h.sight.feed.applying, "replication: not applying"},
		{h.sight.readOnly, "read-only"},
		{p.eyes[r].lost, whyLost},
		{p.deaf(r), whyDeaf},
		{p.stalling(r, now), "cannot write"},
		{p.eyes[r].mute.says() != "", p.eyes[r].mute.says()},
	} {
		if a.is {
			list = append(list, a.text)
		}
	}
	return list
}
