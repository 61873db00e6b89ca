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
	// Connections is how many the application has open to it.
	Connections int
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
		}
	}
	return s
}
