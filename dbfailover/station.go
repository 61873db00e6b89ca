package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// station is one server as the monitor's account can act on it. The procedures of the
// script do the work, each under the application's lock on that server, so that two
// web nodes never act there at once.
type station interface {
	// lock keeps the application out for the moment, if no epoch after this one has begun
	// there, and answers how many of its threads are left and where the server stands.
	lock(ctx context.Context, number uint64) (left int, at string, err error)
	// fence keeps it out for good: the epoch is another server's. With own, the row's
	// position is where this server stands once nobody is left. tail is what it wrote
	// and the other one never got; nil, if nobody has looked.
	fence(ctx context.Context, e epoch, own bool, tail *string) (left int, gtid string, err error)
	// disown records that the epoch is another server's although killed threads of the
	// application have not ended: where the server will stand is not known.
	disown(ctx context.Context, e epoch) error
	// ready says whether the server's accounts can be changed now, so that it could be opened.
	ready(ctx context.Context) error
	// promote opens the server as the writer of a new epoch and answers the position of
	// the epoch's row, also if another node made that.
	promote(ctx context.Context, number uint64, quarantine, force bool) (gtid string, err error)
	// unfence opens it in an epoch that is its own.
	unfence(ctx context.Context, number uint64) error
	// tail describes what the server wrote beyond a position.
	tail(ctx context.Context, since string) (string, error)
	// position is up to where the server has all: not what it passed over in quarantine.
	position(ctx context.Context) (string, error)
	// resume starts applying again after the gate.
	resume(ctx context.Context) error
	// lift ends the quarantine of an epoch.
	lift(ctx context.Context, number uint64) error
	// beat writes the canary.
	beat(ctx context.Context, n uint64) error
	// refusals lists what is wrong with the application's account.
	refusals(ctx context.Context) ([]string, error)
	// leave gives up connections, and waits for what is still being killed.
	leave()
}

// Answers of the procedures.
const (
	errBusy      = 30001
	errOvertaken = 30002
	errTainted   = 30004
	errSameHere  = 30005 // fence: the epoch is this server's own
)

var errOtherScript = errors.New("dbfailover: the script on the server is of another version")

// server is the station of a real server, with one connection that is kept between
// calls. It belongs to one goroutine.
type server struct {
	end     *endpoint
	app     App
	conn    driverConn
	raw     net.Conn
	session string // its number on the server
	trail   trail
	killing sync.WaitGroup
}

// open logs in, or uses the connection that is there.
func (s *server) open(ctx context.Context) (driverConn, error) {
	if s.conn != nil && s.conn.IsValid() && s.conn.ResetSession(ctx) == nil {
		return s.conn, nil
	}
	s.hangUp()
	conn, err := s.end.relogin(ctx, func(c Credentials) (driverConn, error) {
		return s.end.login(ctx, c, func(raw net.Conn) (net.Conn, error) {
			s.raw = raw
			return raw, nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.conn = conn
	if t, err := ask(ctx, conn, "SELECT CONNECTION_ID()"); err == nil && len(t.rows) == 1 {
		s.session = t.rows[0][0]
	}
	return conn, nil
}

func (s *server) leave() {
	s.hangUp()
	s.killing.Wait()
}

// hangUp says goodbye without waiting for a server that does not listen.
func (s *server) hangUp() {
	line{conn: s.conn, raw: s.raw}.close()
	s.conn, s.raw, s.session = nil, nil, ""
}

// call runs a query. After a failure the connection is not used again, and what still
// runs in it is killed: a fence that waits for a global lock would otherwise fall an
// hour after everybody has given it up.
func (s *server) call(ctx context.Context, query string, args ...any) (table, error) {
	conn, err := s.open(ctx)
	if err != nil {
		return table{}, err
	}
	t, err := ask(ctx, conn, query, args...)
	if err != nil {
		session := s.session
		s.hangUp()
		if ctx.Err() != nil && session != "" {
			s.killing.Go(func() { s.kill(session) })
		}
	}
	return t, err
}

// killTime bounds one attempt to kill a call that did not end. A server that is silent
// takes all of it, and nobody waits for that: a failover from a stopped server would
// last a third longer.
const killTime = time.Second

func (s *server) kill(session string) {
	ctx, cancel := context.WithTimeout(context.Background(), killTime)
	defer cancel()
	other := server{end: s.end, app: s.app}
	defer other.hangUp()
	if conn, err := other.open(ctx); err == nil {
		_, _ = ask(ctx, conn, "CALL hipaakit.abandon_"+s.app.Name+"("+session+")")
	}
}

func (s *server) lock(ctx context.Context, number uint64) (left int, at string, err error) {
	t, err := s.call(ctx, "CALL hipaakit.lock_"+s.app.Name+"(?)", int64(number))
	return leftAnd(t, err)
}

func (s *server) fence(ctx context.Context, e epoch, own bool, tail *string) (left int, at string, err error) {
	var gtid, found any = e.gtid, nil
	if own {
		gtid = nil
	}
	if tail != nil {
		found = *tail
	}
	t, err := s.call(ctx, "CALL hipaakit.fence_"+s.app.Name+"(?, ?, ?, ?, FALSE)", int64(e.number), int64(e.server), gtid, found)
	return leftAnd(t, err)
}

func (s *server) disown(ctx context.Context, e epoch) error {
	t, err := s.call(ctx, "CALL hipaakit.fence_"+s.app.Name+"(?, ?, '', NULL, TRUE)", int64(e.number), int64(e.server))
	_, _, err = leftAnd(t, err)
	return err
}

func leftAnd(t table, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	if len(t.rows) != 1 || len(t.rows[0]) != 2 {
		return 0, "", errOtherScript
	}
	left, err := strconv.Atoi(t.rows[0][0])
	if err != nil {
		return 0, "", fmt.Errorf("dbfailover: a procedure answered %q where a number has to be", t.rows[0][0])
	}
	return left, t.rows[0][1], nil
}

func (s *server) ready(ctx context.Context) error {
	_, err := s.call(ctx, "CALL hipaakit.ready_"+s.app.Name+"()")
	return err
}

func (s *server) promote(ctx context.Context, number uint64, quarantine, force bool) (string, error) {
	t, err := s.call(ctx, "CALL hipaakit.promote_"+s.app.Name+"(?, ?, ?)", int64(number), quarantine, force)
	if err == nil && (len(t.rows) != 1 || len(t.rows[0]) != 1) {
		err = errOtherScript
	}
	if err != nil {
		return "", err
	}
	return t.rows[0][0], nil
}

func (s *server) unfence(ctx context.Context, number uint64) error {
	_, err := s.call(ctx, "CALL hipaakit.unfence_"+s.app.Name+"(?)", int64(number))
	return err
}

func (s *server) tail(ctx context.Context, since string) (string, error) {
	conn, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	d := s.end.dialect()
	id, err := ask(ctx, conn, d.origin)
	if err != nil || len(id.rows) != 1 {
		s.hangUp()
		return "", fmt.Errorf("dbfailover: server id: %w", err)
	}
	n, err := strconv.ParseUint(id.rows[0][0], 10, 32)
	if err != nil {
		return "", fmt.Errorf("dbfailover: server id: %w", err)
	}
	found, err := s.trail.find(ctx, conn, d, origin{id: uint32(n), uuid: id.rows[0][1]}, since, s.app)
	if err != nil && !errors.Is(err, errReading) {
		s.hangUp()
	}
	return found, err
}

func (s *server) position(ctx context.Context) (string, error) {
	t, err := s.call(ctx, "CALL hipaakit.position_"+s.app.Name+"()")
	if err == nil && (len(t.rows) != 1 || len(t.rows[0]) != 1) {
		err = errOtherScript
	}
	if err != nil {
		return "", err
	}
	return t.rows[0][0], nil
}

func (s *server) resume(ctx context.Context) error {
	_, err := s.call(ctx, "CALL hipaakit.resume_"+s.app.Name+"()")
	return err
}

func (s *server) lift(ctx context.Context, number uint64) error {
	_, err := s.call(ctx, "CALL hipaakit.lift_"+s.app.Name+"(?)", int64(number))
	return err
}

func (s *server) beat(ctx context.Context, n uint64) error {
	_, err := s.call(ctx, "CALL hipaakit.canary_"+s.app.Name+"(?, ?)", s.app.Node, int64(n))
	return err
}

func (s *server) refusals(ctx context.Context) (list []string, err error) {
	t, err := s.call(ctx, "CALL hipaakit.check_"+s.app.Name+"()")
	for _, row := range t.rows {
		list = append(list, row[0])
	}
	return list, err
}
