package dbfailover

import (
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// doomed kills its server while the server waits for the file.
type doomed struct{ server *fake }

func (d doomed) Read(b []byte) (int, error) {
	d.server.kill()
	return copy(b, "1\n"), io.EOF
}

// The driver says "bad connection, use another" when a packet in the middle of
// LOAD DATA LOCAL does not get out, and database/sql takes it at its word.
func TestLoadDataThatBreaksIsNotSentAgain(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		for _, f := range r.servers {
			mysql.RegisterReaderHandler(f.name, func() io.Reader { return doomed{r.servers[0]} })
			defer mysql.DeregisterReaderHandler(f.name)
		}
		r.start(t)
		_, err := r.db.Exec("LOAD DATA LOCAL INFILE 'x' INTO TABLE visit")
		if !errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("got %v, want invalid connection and no leave to retry", err)
		}
		time.Sleep(time.Second)
		r.mustBe(t, StateSecondary, "db2.test")
		sent := 0
		for _, f := range r.servers {
			for _, statement := range f.statements() {
				if strings.HasPrefix(statement, "LOAD") {
					sent++
				}
			}
		}
		if sent != 1 {
			t.Errorf("sent %d times", sent)
		}
	})
}

func TestNothingSentIsLeaveToTryAgain(t *testing.T) {
	c := &conn{line: &tracked{}}
	c.line.wrote.Store(7)
	if err := c.verdict(7, "INSERT", driver.ErrBadConn); err != driver.ErrBadConn {
		t.Errorf("got %v: the pool does not try another connection", err)
	}
	if err := c.verdict(6, "INSERT", driver.ErrSkip); err != driver.ErrSkip {
		t.Errorf("got %v: the pool does not prepare the statement", err)
	}
	if err := c.verdict(6, "INSERT", nil); err != nil {
		t.Errorf("got %v", err)
	}
}
