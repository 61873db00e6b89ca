package dbfailover

// mute counts how often in a row a server has answered a canary with an error. For the
// writer that is an alarm and no reason to leave it: the application's writes may well work
// (a right of the monitor's that somebody took away, a setting under which no statement is
// logged). But a server that refuses a canary refuses the first write of an epoch as well,
// and that is found out too late: by then the old server has been fenced for good.
type mute struct {
	times  int
	reason string
}

func (p *pair) refuse(r Role, reason string) {
	n := &p.eyes[r].mute
	n.times, n.reason = n.times+1, reason
}

// says is why the server must not be promoted, or nothing.
func (n mute) says() string {
	if n.times < lasting {
		return ""
	}
	return "refuses canaries (" + n.reason + ")"
}
