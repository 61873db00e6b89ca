package dbfailover

import (
	"context"
	"errors"
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
	grown     int  // a piece of this size is needed, where it is not 0
}

// advance takes one piece of a log and reports whether the file may have more. query asks
// for that many events from a position on.
//
// MySQL shows what a compressed transaction consists of behind its Transaction_payload,
// all at the position where that ends, and nothing begins in the middle of it. A piece
// that ends there is read again from the payload on, and a larger one.
func (p *place) advance(ctx context.Context, conn driverConn, query func(file, pos string, limit int) string, take func(event)) (more bool, err error) {
	n, limit, payload := 0, max(piece, p.grown), ""
	err = events(ctx, conn, query(p.file, p.pos, limit), func(e event) bool {
		n++
		if !p.read || e.pos != p.pos || payload != "" {
			take(e)
		}
		p.pos, p.read = e.pos, true
		switch {
		case e.kind == "Transaction_payload":
			payload = e.pos
		case payload != "" && e.ends():
			payload, p.read = "", false // the next event is where this one claims to be
		}
		return true
	})
	p.grown = 0
	if err == nil && payload != "" {
		p.pos, p.read, p.grown = payload, true, 2*limit
	}
	return n == limit, err
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
