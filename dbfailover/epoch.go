package dbfailover

// epoch is one row of hipaakit.epoch: from number on, the server with this id is
// the one that the application may write to. Rows are only ever inserted, so two
// servers can be compared by their highest ones.
type epoch struct {
	number uint64
	server uint32
	// gtid is what the server must have reached before it may open; on the server
	// itself, where it stood when it opened. Empty: nothing is required.
	gtid string
}

// above reports whether e is the later of the two.
func (e epoch) above(f epoch) bool { return e.number > f.number }

// contradicts reports whether the same number was given to two servers.
func (e epoch) contradicts(f epoch) bool {
	return e.number == f.number && e.number != 0 && e.server != f.server
}
