package dbfailover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestWhatBecameOfAStatement(t *testing.T) {
	lost, unknown := ErrConnLost, ErrCommitUnknown
	for _, c := range []struct {
		query         string
		alone, inside error
	}{
		{"SELECT 1", lost, lost},
		{" (select 1)", lost, lost},
		{"/* why */ -- and\n# how\nSELECT 1", lost, lost},
		{"INSERT INTO a VALUES (1)", unknown, lost},
		{"update a set b=1", unknown, lost},
		{"WITH x AS (SELECT 1) DELETE FROM a", unknown, lost},
		{"LOAD DATA LOCAL INFILE 'x' INTO TABLE a", unknown, lost},
		{"CALL pay()", unknown, unknown},
		{"ALTER TABLE a ADD b INT", unknown, unknown},
		{"/*!50001 SELECT */ 1", unknown, unknown},
		{"LOCK TABLES a WRITE", unknown, unknown},
		{"COMMIT", unknown, unknown},
		{"SET @a = 1", lost, lost},
		{"SET SESSION sql_mode=''", lost, lost},
		{"set Autocommit=1", unknown, unknown},
		{"SET STATEMENT max_statement_time=10 FOR INSERT INTO a VALUES (1)", unknown, unknown},
		{"/*/ SELECT */ INSERT INTO a VALUES (1)", unknown, lost},
		{"DO pay(1)", unknown, lost},
		{"SAVEPOINT s", unknown, lost},
		{"ROLLBACK TO s", unknown, lost},
		{"ROLLBACK WORK TO SAVEPOINT s", unknown, lost},
		{"ROLLBACK", unknown, unknown},
		{"BEGIN", unknown, unknown},
		{"", unknown, unknown},
		{"/* never ends", unknown, unknown},
	} {
		for _, inTx := range []bool{false, true} {
			want := c.alone
			if inTx {
				want = c.inside
			}
			conn := &conn{line: &tracked{}, inTx: inTx}
			conn.line.wrote.Store(1)
			for _, cause := range []error{mysql.ErrInvalidConn, driver.ErrBadConn, refusal(1927), refusal(1053)} {
				conn.settled = false
				got := conn.verdict(0, c.query, cause)
				if !errors.Is(got, want) || errors.Is(got, lost) && errors.Is(got, unknown) || errors.Is(got, driver.ErrBadConn) {
					t.Errorf("%q (in a transaction: %v) after %v: %v", c.query, inTx, cause, got)
				}
			}
			conn.settled = false
			if got := conn.verdict(0, c.query, context.Canceled); errors.Is(got, unknown) != (want == unknown) || errors.Is(got, lost) || !errors.Is(got, context.Canceled) {
				t.Errorf("%q given up by the caller: %v", c.query, got)
			}
			// An answer of the server is an answer.
			if got := conn.verdict(0, c.query, refusal(1062)); errors.Is(got, lost) || errors.Is(got, unknown) {
				t.Errorf("%q after 1062: %v", c.query, got)
			}
		}
	}
}

func TestAutocommitWriteThatWasCutOffIsUnknown(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	n := d.node(t, "north", "n", Fast)
	n.well(t, StatePrimary, 1)
	conn, err := n.db.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	kill := func(query string, args ...any) error {
		conn, err := n.db.Conn(t.Context())
		must(t, err)
		defer conn.Close()
		var id int
		must(t, conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))
		done := make(chan error)
		go func() {
			_, err := conn.ExecContext(t.Context(), query, args...)
			done <- err
		}()
		eventually(t, "the statement runs", func() bool {
			return count(t, d.pair.Servers[0], fmt.Sprintf("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID=%d AND STATE='User sleep'", id)) == 1
		})
		d.pair.Servers[0].SQL(fmt.Sprintf("KILL %d", id))
		return <-done
	}
	if err := kill("INSERT INTO note (text) SELECT SLEEP(60)"); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("plain: %v", err)
	}
	if err := kill("INSERT INTO note (text) SELECT SLEEP(?)", 60); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("prepared: %v", err)
	}
	if err := kill("SELECT SLEEP(?)", 60); !errors.Is(err, ErrConnLost) {
		t.Errorf("read: %v", err)
	}
}

func TestRunTxRepeatsWhatIsSafeAndNothingElse(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		for _, c := range []struct {
			err   error
			calls int
		}{
			{nil, 1},
			{refusal(1213), 3},
			{refusal(1205), 3},
			{fmt.Errorf("reading: %w", ErrConnLost), 3},
			{mysql.ErrInvalidConn, 3},
			{refusal(1062), 1},
			{fmt.Errorf("%w: %w", ErrCommitUnknown, mysql.ErrInvalidConn), 1},
			{ErrDown, 1},
			{errors.New("the application's"), 1},
		} {
			calls := 0
			err := RunTx(t.Context(), r.db, nil, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, "INSERT INTO note VALUES (1)"); err != nil {
					return err
				}
				if calls++; calls < 3 {
					return c.err
				}
				return nil
			})
			if calls != c.calls || (err != nil) != (c.err != nil && c.calls == 1) {
				t.Errorf("%v: %d calls, %v", c.err, calls, err)
			}
		}
		for range 2 { // gives up, and rolls back each time
			calls := 0
			err := RunTx(t.Context(), r.db, nil, func(context.Context, *sql.Tx) error { calls++; return refusal(1213) })
			if calls != txAttempts || !serverSaid(err, 1213) {
				t.Errorf("%d calls, %v", calls, err)
			}
		}
		begun, ended := 0, 0
		for _, s := range r.servers[0].statements() {
			if strings.HasPrefix(s, "START TRANSACTION") {
				begun++
			}
			if s == "ROLLBACK" || s == "COMMIT" {
				ended++
			}
		}
		if begun == 0 || begun != ended {
			t.Errorf("%d begun, %d ended", begun, ended)
		}
	})
}

func TestRunTxDoesNotRepeatACommitOfUnknownOutcome(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		calls := 0
		r.servers[0].set(func(f *fake) { f.commit = 1927 })
		err := RunTx(t.Context(), r.db, nil, func(context.Context, *sql.Tx) error { calls++; return nil })
		if calls != 1 || !errors.Is(err, ErrCommitUnknown) {
			t.Errorf("%d calls, %v", calls, err)
		}
		r.servers[0].set(func(f *fake) { f.commit = 1213 })
		err = RunTx(t.Context(), r.db, nil, func(context.Context, *sql.Tx) error {
			if calls++; calls == 4 {
				r.servers[0].set(func(f *fake) { f.commit = 0 })
			}
			return nil
		})
		if calls != 4 || err != nil {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}

// After an implicit commit a transaction is over, whatever BeginTx said.
func TestNothingAfterAnImplicitCommitIsSafeToRepeat(t *testing.T) {
	for _, ends := range []string{"ALTER TABLE a ADD b INT", "CALL pay()", "COMMIT", "ROLLBACK", "SET autocommit=1"} {
		c := &conn{line: &tracked{}, inTx: true}
		c.line.wrote.Store(1)
		if err := c.verdict(0, ends, nil); err != nil {
			t.Fatal(err)
		}
		for _, cause := range []error{mysql.ErrInvalidConn, driver.ErrBadConn, refusal(errDeadlock), refusal(errLockWaitTimeout)} {
			for _, before := range []uint64{0, 1} {
				got := c.verdict(before, "INSERT INTO a VALUES (1)", cause)
				if before == 1 && !errors.Is(cause, driver.ErrBadConn) {
					continue // an answer to what was not sent there is none
				}
				if !errors.Is(got, ErrCommitUnknown) || errors.Is(got, ErrConnLost) || repeatable(got) {
					t.Errorf("after %q, %v: %v", ends, cause, got)
				}
			}
		}
	}
	c := &conn{line: &tracked{}, inTx: true}
	if c.verdict(0, "CALL pay()", driver.ErrBadConn); c.settled {
		t.Error("a CALL that was never sent has committed")
	}
}

func TestTellingWhatAStatementDoesTakesNoMemory(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		_ = commitsInTx("insert into a values (1)")
		_ = plain("  /* x */ select 1")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A switch cuts a transaction between two of its statements: nothing is safer to repeat.
func TestRunTxRepeatsWhatASwitchCut(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		calls := 0
		err := RunTx(t.Context(), r.db, nil, func(ctx context.Context, tx *sql.Tx) error {
			if calls++; calls == 1 {
				if _, err := tx.ExecContext(ctx, "INSERT INTO note VALUES (1)"); err != nil {
					return err
				}
				must(t, r.c.Switch(t.Context(), Secondary))
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO note VALUES (2)")
			if calls == 1 && !errors.Is(err, ErrConnLost) {
				t.Errorf("cut between two statements: %v", err)
			}
			return err
		})
		if err != nil || calls != 2 {
			t.Errorf("%d calls: %v", calls, err)
		}
	})
}

// The first result of a CALL arrives, the procedure commits, the line breaks: what the
// driver says of the rows does not tell it from a transaction that is lost.
func TestRunTxDoesNotRepeatACallWhoseRowsWereCutOff(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	one.SQL("CREATE TABLE north.paid (id INT AUTO_INCREMENT PRIMARY KEY)",
		"CREATE PROCEDURE north.pay() SQL SECURITY INVOKER BEGIN SELECT 1; INSERT INTO north.paid () VALUES (); COMMIT; SELECT SLEEP(30); END")
	n := d.node(t, "north", "n", Careful)
	n.well(t, StatePrimary, 1)
	calls := 0
	err := RunTx(t.Context(), n.db, nil, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		var id int
		if err := tx.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "CALL pay()")
		if err != nil {
			return err
		}
		defer rows.Close()
		eventually(t, "it has paid", func() bool { return count(t, one, "SELECT COUNT(*) FROM north.paid") == calls })
		one.SQL(fmt.Sprintf("KILL %d", id))
		for rows.Next() || rows.NextResultSet() {
		}
		return rows.Err()
	})
	if paid := count(t, one, "SELECT COUNT(*) FROM north.paid"); calls != 1 || paid != 1 {
		t.Errorf("called %d times, paid %d times", calls, paid)
	}
	if !errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrConnLost) {
		t.Errorf("got %v, want ErrCommitUnknown", err)
	}
}
