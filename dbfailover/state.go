package dbfailover

import (
	"fmt"
	"time"
)

// Role names one of the two configured servers. It says which server is meant,
// not which one is in use.
type Role uint8

// The two servers of a [Config].
const (
	Primary Role = iota
	Secondary
)

func (r Role) other() Role { return 1 - r }

// String returns "primary" or "secondary".
func (r Role) String() string {
	switch r {
	case Primary:
		return "primary"
	case Secondary:
		return "secondary"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// MarshalText makes a Role readable in JSON and logs.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// State is where the connector stands. A topology may use states that another
// does not have, so a switch over states needs a default.
type State uint8

// The states. New connections go to the active server in PRIMARY and SECONDARY, wait
// in INIT, SUSPECT, PROMOTING and DRAINING, fail at once with [ErrDown] in DOWN and
// with [ErrFrozen] in FROZEN. Independent servers know no PROMOTING, DRAINING, FROZEN.
const (
	// StateInit: nothing has been heard of the servers yet.
	StateInit State = iota
	// StatePrimary: the primary is in use.
	StatePrimary
	// StateSuspect: the active server failed a check; whether that is a failure
	// or a hiccup is being found out.
	StateSuspect
	// StateSecondary: the secondary is in use, until an operator switches back.
	StateSecondary
	// StateDown: the active server failed and there is none to go to. The other
	// one failed as many checks in a row, or was in doubt for seconds.
	StateDown
	// StatePromoting: the other server is being made the writer.
	StatePromoting
	// StateDraining: a planned move: the old server is locked, the new one catches up.
	StateDraining
	// StateFrozen: both servers claim the application, or the one that must not have
	// it cannot be locked. Nobody is let in until that ends or an operator decides.
	StateFrozen
)

// String returns the name as it is logged, in capitals.
func (s State) String() string {
	switch s {
	case StateInit:
		return "INIT"
	case StatePrimary:
		return "PRIMARY"
	case StateSuspect:
		return "SUSPECT"
	case StateSecondary:
		return "SECONDARY"
	case StateDown:
		return "DOWN"
	case StatePromoting:
		return "PROMOTING"
	case StateDraining:
		return "DRAINING"
	case StateFrozen:
		return "FROZEN"
	}
	return fmt.Sprintf("STATE(%d)", uint8(s))
}

// MarshalText makes a State readable in JSON and logs.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// serving says whether new connections are let through to the active server.
func (s State) serving() bool { return s == StatePrimary || s == StateSecondary }

// undecided says whether new connections wait for a decision.
func (s State) undecided() bool { return s == StateInit || s == StateSuspect }

// uncertain says whether a failed server is being found out about.
func (s State) uncertain() bool { return s.undecided() || s == StateDown }

// Transition is one change of state.
type Transition struct {
	From, To State
	// Active is the server in use after the change. Epoch is, on replicated servers,
	// the one they recorded; on independent ones how often Active changed, from 1.
	Active Role
	Epoch  uint64
	At     time.Time
	// Reason is a short fixed text with at most a number or the names of Go types
	// in it, fit for a log or an alert. It never holds a message of a server.
	Reason string
}
