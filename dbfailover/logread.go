package dbfailover

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// piece is how many events are read at a time. A log can have a gigabyte, and reading it
// takes longer than a check or a task has: both stop in time and go on from there at the
// next try. Stopping needs pieces, because to leave a result half-read is to read it all.
const piece = 2000

// errReading: the time at hand was not enough. The next try goes on.
var errReading = errors.New("dbfailover: the server's log is long and still being read")

// place is how far a log was read: up to and with the event at pos.
type place struct {
	file, pos string
	read      bool // the event at pos as well
}

// advance takes one piece of the log "BINLOG" or "RELAYLOG" and reports whether the file
// may have more.
func (p *place) advance(ctx context.Context, conn driverConn, log string, take func(event)) (more bool, err error) {
	n := 0
	err = events(ctx, conn, "SHOW "+log+" EVENTS IN '"+p.file+"' FROM "+p.pos+" LIMIT "+strconv.Itoa(piece), func(e event) bool {
		n++
		if !p.read || e.pos != p.pos {
			take(e)
		}
		p.pos, p.read = e.pos, true
		return true
	})
	return n == piece, err
}

// allowance returns when to stop reading: when this share of the time at hand is used.
func allowance(ctx context.Context, share float64) (stop func() bool) {
	end, limited := ctx.Deadline()
	if !limited {
		return func() bool { return false }
	}
	last := time.Now().Add(time.Duration(float64(time.Until(end)) * share))
	return func() bool { return time.Now().After(last) }
}
