package dbfailover

import "time"

// echo finds out whether what is written to the schema hipaakit on one server arrives on
// the other. Where a filter keeps it out of replication all else looks well, but the gate
// does not arrive: a server that returns with a tail would mix the new writer's rows into
// it. No query tells that (MariaDB does not show binlog-ignore-db), canaries do.
type echo struct {
	sung   uint64 // the last canary that was written to the server
	sungAt time.Time
	asked  uint64 // the one that has to be found on the other server,
	behind string // once that has the server's own writes up to here
	asking bool
	missed int // canaries in a row that were not found
}

// deafAfter is how many canaries have to be missing. One may be, of a server that was just
// set up anew.
const deafAfter = 3

const whyDeaf = "its schema hipaakit does not reach the other server: no filter may keep it out of replication"

// ask takes the last canary, once a look from after it has told where the server stands.
func (e *echo) ask(r result) {
	if !e.asking && e.sung > e.asked && r.began.After(e.sungAt) {
		e.asked, e.behind, e.asking = e.sung, written(r.sight.at, r.sight.origin()), true
	}
}

// answer looks for it on the other server.
func (e *echo) answer(s sight) {
	switch {
	case s.echo >= e.asked && e.asking:
		e.asking, e.missed = false, 0
	case e.asking && covers(s.at, e.behind):
		e.asking = false
		e.missed++
	}
}

// deaf reports whether canaries written to r do not arrive on the other server.
func (p *pair) deaf(r Role) bool { return p.eyes[r].echo.missed >= deafAfter }
