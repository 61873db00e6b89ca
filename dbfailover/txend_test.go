package dbfailover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/go-sql-driver/mysql"
)

// ending is the driver's transaction that ends in this way.
type ending struct{ err error }

func (e ending) Commit() error   { return e.err }
func (e ending) Rollback() error { return e.err }

func TestEndOfATransactionInWhichSomethingMayHaveCommitted(t *testing.T) {
	for _, c := range []struct {
		err              error
		settled          bool
		commit, rollback error // what it is besides the driver's; nil: that as it is
	}{
		{nil, false, nil, nil},
		{nil, true, nil, nil},
		{mysql.ErrInvalidConn, false, ErrConnLost, nil}, // not a byte has left
		{mysql.ErrInvalidConn, true, ErrCommitUnknown, ErrCommitUnknown},
		{refusal(errDeadlock), false, nil, nil},
		{refusal(errDeadlock), true, ErrCommitUnknown, ErrCommitUnknown},
	} {
		for _, commit := range []bool{true, false} {
			conn := &conn{line: &tracked{}, inTx: true, settled: c.settled}
			end, want := (&tx{Tx: ending{c.err}, conn: conn}).Rollback, c.rollback
			if commit {
				end, want = (&tx{Tx: ending{c.err}, conn: conn}).Commit, c.commit
			}
			err := end()
			if !errors.Is(err, c.err) || errors.Is(err, ErrConnLost) != (want == ErrConnLost) || errors.Is(err, ErrCommitUnknown) != (want == ErrCommitUnknown) {
				t.Errorf("%v, settled %v, commit %v: %v, want %v", c.err, c.settled, commit, err, want)
			}
			if conn.inTx {
				t.Error("what follows passes for a part of it")
			}
		}
	}
}

func TestWhatRunTxSaysOfAnErrorOfTheApplication(t *testing.T) {
	application := errors.New("the application's")
	unknown := fmt.Errorf("%w: cut", ErrCommitUnknown)
	for _, c := range []struct {
		err, rollback, want error
	}{
		{application, nil, nil},
		{application, mysql.ErrInvalidConn, nil},
		{application, unknown, ErrCommitUnknown},
		{mysql.ErrInvalidConn, mysql.ErrInvalidConn, ErrConnLost},
		{mysql.ErrInvalidConn, nil, ErrConnLost},
		{mysql.ErrInvalidConn, unknown, ErrCommitUnknown},
		{mysql.ErrInvalidConn, sql.ErrTxDone, nil}, // fn has ended it itself: nobody knows how
		{unknown, sql.ErrTxDone, ErrCommitUnknown},
		{refusal(errDeadlock), unknown, ErrCommitUnknown},
	} {
		got := explain(c.err, c.rollback)
		if !errors.Is(got, c.err) || errors.Is(got, ErrConnLost) != (c.want == ErrConnLost) || errors.Is(got, ErrCommitUnknown) != (c.want == ErrCommitUnknown) {
			t.Errorf("%v, and the rollback %v: %v, want %v", c.err, c.rollback, got, c.want)
		}
		if c.want == ErrCommitUnknown && repeatable(got) {
			t.Errorf("%v would be repeated", got)
		}
	}
}

// fn returns the driver's error of rows that broke off; the ROLLBACK tells that a CALL came
// before it.
func TestRunTxAsksTheRollbackWhatItMayRepeat(t *testing.T) {
	for statement, unknown := range map[string]bool{"CALL pay()": true, "INSERT INTO note VALUES (1)": false} {
		inBubble(t, Fast, func(t *testing.T, r *rig) {
			r.start(t)
			calls := 0
			err := RunTx(t.Context(), r.db, nil, func(ctx context.Context, tx *sql.Tx) error {
				if calls++; calls > 1 {
					return nil
				}
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
				r.servers[0].kill()
				synctest.Wait()
				return mysql.ErrInvalidConn
			})
			if errors.Is(err, ErrCommitUnknown) != unknown || (calls == 1) != unknown {
				t.Errorf("%s: %d calls, %v", statement, calls, err)
			}
		})
	}
}
