package dbfailover

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// tx is the driver's transaction with a Commit whose failure can be read.
type tx struct {
	driver.Tx
	conn *conn
}

// Rollback is the driver's. If it fails after a statement that may have committed, that
// is [ErrCommitUnknown]: there was something to find out.
func (t *tx) Rollback() error {
	t.conn.inTx = false
	err := t.Tx.Rollback()
	if err != nil && t.conn.settled {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	return err
}

// Commit returns nil, the server's refusal as it is, or an error that is
// [ErrConnLost] or [ErrCommitUnknown] (and still the driver's).
//
// The driver says "invalid connection" in both cases. What differs is whether
// anything left this process: COMMIT is one packet, and TLS delivers no part of
// a record, so if no write got a byte out, the server has not seen it.
func (t *tx) Commit() error {
	t.conn.inTx = false
	before := t.conn.line.wrote.Load()
	err := t.Tx.Commit()
	switch {
	case err == nil:
		return nil
	case t.conn.settled:
	case refusedCommit(err):
		return err
	case t.conn.line.wrote.Load() == before:
		return fmt.Errorf("%w: %w", ErrConnLost, err)
	}
	return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
}

// refusedCommit reports whether the server answered that it did not commit. An
// answer that only says that the session was ended under the COMMIT (killed,
// shut down), or that the commit itself went wrong in an engine or the binary log
// (1180, 1598), leaves open how far it had come.
func refusedCommit(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer) &&
		!serverSaid(err, errServerShutdown, errConnectionKilled, errQueryInterrupted,
			errDuringCommit, errBinlogLogging)
}
