package dbfailover

// sight is what one check saw of a server. Independent servers show readOnly alone.
type sight struct {
	readOnly bool

	known       bool // the rest was read as well
	id          uint32
	uuid        string // MySQL's name for the server in GTIDs
	at          string // GTID position
	logged      string // the position of its binary log
	top         epoch  // the highest row of its own table
	locked      bool   // the application's account
	forced      bool   // top is its own, opened by Force although it had a tail
	judged      uint64 // the epoch for which its tail was last looked for
	tail        string // what it has and the other never got; it is tainted then
	quarantined bool   // it ignores the application's schemas
	beats       uint64 // sum of other nodes' canaries written on the other server
	echo        uint64 // this node's last canary from the other server
	neighbours  int    // other applications whose writer it is
	semiSync    bool   // acknowledged means on the other server as well
	feed        feed
}

// wrote is how far the server itself has written, by its own log. Its position says more
// than it has after a restore from an old copy: what it lost comes back from the other
// server, is skipped because it is its own, and counted, a moment after its start. A log
// without any of its own, of a server that was set up from the other one, says nothing.
// MySQL counts only what it has, but counts its own a moment after the other one can have
// it: there the log is what its threads are committing as well.
func (s sight) wrote() string {
	if written(s.logged, s.origin()) == "" {
		return s.at
	}
	return s.logged
}

// feed is how a server follows the other one.
type feed struct {
	receiving, applying bool
	received            string // GTID position of what came in
	errno               int    // why it stopped applying
	gated               bool   // it stopped at the start of an epoch, see the gate, or by us
	// applied: nothing of this application is received and not applied. Another
	// application's broken replication does not count.
	applied bool
	lag     int // seconds; -1 unknown
}

// running reports whether replication works in this direction.
func (f feed) running() bool { return f.receiving && f.applying }

func (s sight) origin() origin { return origin{id: s.id, uuid: s.uuid} }
