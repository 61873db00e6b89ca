package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// verdict says what became of a statement that failed: nothing is added to an answer
// of the server and to what never left this process; everything else is lost or, if
// the statement may have committed by itself, unknown.
//
// A transaction in which something may have committed (a CALL, DDL, a COMMIT in plain
// SQL) is none any more, whether that statement failed or not: what follows may be in
// force on its own, and the whole must not be run again.
func (c *conn) verdict(before uint64, query string, err error) error {
	if c.inTx && !c.settled && c.line.wrote.Load() != before {
		c.settled = commitsInTx(query)
	}
	if err == nil || errors.Is(err, driver.ErrSkip) {
		return err
	}
	if c.inTx {
		return c.verdictInTx(before, err)
	}
	if c.line.wrote.Load() == before {
		return err
	}
	if err = spoken(err); !cutOff(err) {
		return err
	}
	if !plain(query) {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	return lost(err)
}

// verdictInTx: the pool does not try again inside a transaction, so it has to be said
// of a statement that was not sent as well. After a deadlock the transaction is run
// again, unless some of it is in force.
func (c *conn) verdictInTx(before uint64, err error) error {
	unsent := c.line.wrote.Load() == before
	if unsent && !errors.Is(err, driver.ErrBadConn) {
		return err
	}
	err = spoken(err)
	switch {
	case c.settled && (cutOff(err) || serverSaid(err, errDeadlock, errLockWaitTimeout)):
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	case cutOff(err):
		return lost(err)
	}
	return err
}

// spoken replaces the driver's leave to try again on another connection. It is given
// for every write that got no byte out, also for one in the middle of LOAD DATA LOCAL,
// whose statement the server has long got.
func spoken(err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		return mysql.ErrInvalidConn
	}
	return err
}

func lost(err error) error {
	if gaveUp(err) {
		return err // the caller's own doing, and nothing came of it
	}
	return fmt.Errorf("%w: %w", ErrConnLost, err)
}

func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// cutOff reports whether the answer to what was sent is missing. A caller who gave up
// does not know it either.
func cutOff(err error) bool {
	if serverSaid(err, errServerShutdown, errConnectionKilled, errQueryInterrupted, errDuringCommit, errBinlogLogging) {
		return true
	}
	health, _ := judge(err)
	return health == HealthDead || errors.Is(err, mysql.ErrInvalidConn) || gaveUp(err)
}
