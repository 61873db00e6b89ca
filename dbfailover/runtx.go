package dbfailover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	errDeadlock        = 1213
	errLockWaitTimeout = 1205

	// txAttempts bounds how often RunTx begins.
	txAttempts = 10
	// txPause is what it waits at most after the first failure; doubled each time.
	txPause = 10 * time.Millisecond
)

// RunTx runs fn in a transaction of db and commits it. What is certain not to have been
// committed is run again, from the start and after a ROLLBACK: a connection lost before
// COMMIT was sent ([ErrConnLost]), a deadlock (1213), a lock wait that timed out (1205).
// Nothing else is: [ErrCommitUnknown] is returned as it is.
//
// fn must do all its work in tx, with the given context, and leave Commit and Rollback
// alone; it may be called up to 10 times. RunTx gives up earlier when ctx ends. Safe for
// concurrent use; works with any sql.DB, but only a Connector's tells lost from unknown.
func RunTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(ctx context.Context, tx *sql.Tx) error) error {
	for attempt, pause := 1, txPause; ; attempt, pause = attempt+1, 2*pause {
		err := runOnce(ctx, db, opts, fn)
		if err == nil || !repeatable(err) || ctx.Err() != nil {
			return err
		}
		if attempt == txAttempts {
			return fmt.Errorf("dbfailover: transaction given up after %d attempts: %w", attempt, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(pause)): // or two that met in a deadlock meet again
		}
	}
}

func runOnce(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a Commit it does nothing; a panic passes through
	if err := fn(ctx, tx); err != nil {
		return explain(err, tx.Rollback())
	}
	return tx.Commit()
}

// explain adds what became of the transaction, where fn met a broken connection while it
// read rows: there the driver speaks. The ROLLBACK, which fails then, tells whether
// something may have committed, as a CALL does of which one result had arrived.
func explain(err, rollback error) error {
	switch {
	case errors.Is(err, ErrCommitUnknown), errors.Is(rollback, sql.ErrTxDone):
		return err
	case errors.Is(rollback, ErrCommitUnknown):
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	case errors.Is(err, mysql.ErrInvalidConn) && !errors.Is(err, ErrConnLost):
		return fmt.Errorf("%w: %w", ErrConnLost, err)
	}
	return err
}

func repeatable(err error) bool {
	return !errors.Is(err, ErrCommitUnknown) &&
		(errors.Is(err, ErrConnLost) || serverSaid(err, errDeadlock, errLockWaitTimeout))
}
