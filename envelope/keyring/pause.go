package keyring

import (
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// pause lies between two failed unwrappings of a key. Requests come by the
// thousand, and a service in trouble, or one that throttles, gets out of it the
// later the more often it is asked.
type pause struct {
	err    error
	until  time.Time
	length time.Duration
}

func (p pause) lasts(now time.Time) bool { return now.Before(p.until) }

// after returns the pause to make after a failure, twice as long as the last.
func (p pause) after(err error) pause {
	length := min(max(firstPause, 2*p.length), longestPause)
	return pause{err: err, length: length, until: time.Now().Add(length)}
}

// fail notes that a key could not be unwrapped. If the service was reached and
// said no, the key is not used until its grace ends: somebody has withdrawn it.
// The caller holds mu.
func (k *Keyring) fail(id envelope.KeyID, err error, refused bool) {
	k.pauses[id] = k.pauses[id].after(err)
	if refused {
		k.drop(id)
	}
}
