package dbfailover

import (
	"fmt"
	"time"
)

// Timers chooses between two sets of time limits. There is nothing to tune: each
// set is consistent in itself, and tests cover both.
type Timers uint8

const (
	// Careful, the default, rides out a restart: 3 failed checks in a row, 250 ms
	// apart, 500 ms each, and at least 2 s since the first of them. New
	// connections wait meanwhile. For servers that restart within seconds.
	Careful Timers = iota
	// Fast has no hold-off: 2 failed checks in a row (100 ms apart while all is
	// well, 20 ms under suspicion, 250 ms each) and the connector switches. For
	// read-only data, and where a needless switch costs little.
	Fast
)

// String returns "careful" or "fast".
func (t Timers) String() string {
	switch t {
	case Careful:
		return "careful"
	case Fast:
		return "fast"
	}
	return fmt.Sprintf("timers(%d)", uint8(t))
}

// timing is what a profile means.
type timing struct {
	interval time.Duration // between checks, give or take a fifth
	confirm  time.Duration // the same while nothing is decided
	timeout  time.Duration // around one check, login included
	fall     int           // failed checks in a row; at least 2, see prober.paused
	holdOff  time.Duration // from the first failed check to a switch
	doubt    time.Duration // how long a secondary that is not well for sure is waited for; below patience
	fresh    int           // every so many checks log in anew
	login    time.Duration // around one login of the application
	patience time.Duration // how long one Connect waits for a decision

	// Replicated servers only.
	beat   time.Duration // between canaries
	stall  time.Duration // canaries failing for so long are a failure
	veto   time.Duration // how long one canary of another node speaks for the suspect
	settle time.Duration // a locked server is left alone so long: it may be a move
	act    time.Duration // around one procedure; locking repeats so long
	catch  time.Duration // how long a move waits for replication
	cool   time.Duration // after a task that failed
	stable time.Duration // before a failback
}

func (t Timers) timing() (timing, error) {
	switch t {
	case Careful:
		return timing{
			interval: 250 * time.Millisecond, confirm: 250 * time.Millisecond,
			timeout: 500 * time.Millisecond, fall: 3, holdOff: 2 * time.Second, doubt: 4 * time.Second,
			fresh: 4, login: 10 * time.Second, patience: 6 * time.Second,
			beat: 500 * time.Millisecond, stall: 4 * time.Second, veto: 1500 * time.Millisecond,
			settle: 500 * time.Millisecond, act: 3 * time.Second, catch: 5 * time.Second,
			cool: 500 * time.Millisecond, stable: time.Minute,
		}, nil
	case Fast:
		return timing{
			interval: 100 * time.Millisecond, confirm: 20 * time.Millisecond,
			timeout: 250 * time.Millisecond, fall: 2, doubt: 1500 * time.Millisecond,
			fresh: 10, login: 5 * time.Second, patience: 3 * time.Second,
			beat: 200 * time.Millisecond, stall: 800 * time.Millisecond, veto: 600 * time.Millisecond,
			settle: 200 * time.Millisecond, act: 3 * time.Second, catch: 2 * time.Second,
			cool: 100 * time.Millisecond, stable: 10 * time.Second,
		}, nil
	}
	return timing{}, fmt.Errorf("dbfailover: Config.Timers is %v: use Careful or Fast", t)
}

// slowest is the pause that a server's silence or a wrong password leads to. Each
// check that times out leaves the server a broken handshake to count when it wakes
// up; a hundred in a row and it blocks our host (1129, max_connect_errors).
const slowest = 2 * time.Second

// pause returns how long to wait before the next check of a server.
func (t timing) pause(state State, h checked) time.Duration {
	d := t.interval
	if state.undecided() {
		d = t.confirm
	}
	switch h.reason {
	case reasonDenied:
		// Servers lock accounts after a number of wrong passwords.
		return slowest
	case reasonTimeout:
	default:
		return d
	}
	for range h.failures - t.fall {
		if d *= 2; d >= slowest {
			return slowest
		}
	}
	return d
}
