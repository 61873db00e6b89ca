package dbfailover

// sight is what one check saw of a server. Independent servers show readOnly alone.
type sight struct {
	readOnly bool

	known       bool // the rest was read as well
	id          uint32
	uuid        string // MySQL's name for the server in GTIDs
	at          string // GTID position
	logged      string // the position of its binary log, where that is another one
	top         epoch  // the highest row of its own table
	locked      bool   // the application's account
	judged      uint64 // the epoch for which its tail was last looked for
	tail        string // what it has and the other never got; it is tainted then
	quarantined bool   // it ignores the application's schemas
	beats       uint64 // sum of other nodes' canaries written on the other server
	neighbours  int    // other applications whose writer it is
	semiSync    bool   // acknowledged means on the other server as well
	feed        feed
}

// feed is how a server follows the other one.
type feed struct {
	receiving, applying bool
	received            string // GTID position of what came in
	errno               int    // why it stopped applying
	gated               bool   // it stopped at the start of an epoch, see the gate
	// applied: nothing of this application is received and not applied. Another
	// application's broken replication does not count.
	applied bool
	lag     int // seconds; -1 unknown
}

// running reports whether replication works in this direction.
func (f feed) running() bool { return f.receiving && f.applying }

// wrote is how far the server itself has written. MySQL counts a transaction as executed a
// moment after the other server can have it.
func (s sight) wrote() string {
	if s.logged == "" {
		return s.at
	}
	return s.logged
}

func (s sight) origin() origin { return origin{id: s.id, uuid: s.uuid} }
