package dbfailover

import (
	"context"
	"database/sql"
	"time"
)

func manyResults(a *tale) {
	a.exec("DROP PROCEDURE IF EXISTS tale_many")
	a.exec("CREATE PROCEDURE tale_many() BEGIN SELECT 1 AS a; DO 1; SELECT 2 AS b, 'x' AS c; SELECT 3 AS d FROM DUAL WHERE FALSE; END")
	a.query("CALL tale_many()")
	a.prepared("CALL tale_many()")
	a.exec("CALL tale_many()")
	rows, err := a.db.QueryContext(a.ctx, "CALL tale_many()")
	must(a, err)
	a.say("close early: %s", said(rows.Close())) // skips what was not read
	a.query("SELECT 'after'")
	a.exec("DROP PROCEDURE tale_many")
	a.exec("CREATE PROCEDURE tale_many() BEGIN SELECT 1; SELECT * FROM tale_that_is_not; SELECT 2; END")
	a.query("CALL tale_many()") // the error comes in the middle
	a.exec("CALL tale_many()")
	a.exec("DROP PROCEDURE tale_many")
	a.query("SELECT 1; SELECT 2") // has to be allowed, and is not
	a.query("DO 1")
}

func statements(a *tale) {
	a.exec("CREATE TABLE tale (id INT PRIMARY KEY, v VARCHAR(9))")
	s, err := a.db.PrepareContext(a.ctx, "INSERT INTO tale VALUES (?, ?)")
	must(a, err)
	for _, args := range [][]any{{1, "a"}, {2, nil}, {1, "again"}, {"x", "y"}, {3}} {
		_, err := s.ExecContext(a.ctx, args...)
		a.say("%v: %s", args, said(err))
	}
	a.say("%s, twice %s", said(s.Close()), said(s.Close()))
	_, err = s.ExecContext(a.ctx, 4, "d")
	a.say("closed: %s", said(err))
	rows := func() *sql.Rows {
		s, err := a.db.PrepareContext(a.ctx, "SELECT * FROM tale WHERE id > ? ORDER BY id")
		must(a, err)
		defer s.Close() // before its rows
		rows, err := s.QueryContext(a.ctx, 0)
		must(a, err)
		return rows
	}()
	a.rows("rows of a closed statement", rows, nil)
	a.query("SELECT @@character_set_connection")
}

func statementsSideBySide(a *tale) {
	a.exec("CREATE TABLE tale (id INT PRIMARY KEY)")
	a.exec("INSERT INTO tale VALUES (1), (2), (3)")
	conn, err := a.db.Conn(a.ctx)
	must(a, err)
	defer conn.Close()
	one, err := conn.PrepareContext(a.ctx, "SELECT id FROM tale WHERE id >= ? ORDER BY id")
	must(a, err)
	two, err := conn.PrepareContext(a.ctx, "SELECT id + 10 FROM tale WHERE id <> ? ORDER BY id")
	must(a, err)
	for i := range 3 {
		rows, err := one.QueryContext(a.ctx, i)
		a.rows("one", rows, err)
		rows, err = two.QueryContext(a.ctx, i)
		a.rows("two", rows, err)
	}
	a.say("%s %s", said(one.Close()), said(two.Close()))
}

func transactions(a *tale) {
	a.exec("CREATE TABLE tale (id INT PRIMARY KEY)")
	for i, opts := range []*sql.TxOptions{nil, {Isolation: sql.LevelReadUncommitted}, {Isolation: sql.LevelReadCommitted},
		{Isolation: sql.LevelRepeatableRead}, {Isolation: sql.LevelSerializable}, {ReadOnly: true}, {Isolation: sql.LevelSnapshot},
		{Isolation: sql.LevelLinearizable}} {
		tx, err := a.db.BeginTx(a.ctx, opts)
		a.say("begin %v: %s", opts, said(err))
		if err != nil {
			continue
		}
		_, err = tx.ExecContext(a.ctx, "INSERT INTO tale VALUES (?)", i)
		a.say("insert: %s", said(err))
		end := tx.Commit
		if i == 2 {
			end = tx.Rollback
		}
		a.say("end: %s, again %s %s", said(end()), said(tx.Commit()), said(tx.Rollback()))
	}
	a.query("SELECT id FROM tale ORDER BY id")
	// A statement of the pool, taken along.
	s, err := a.db.PrepareContext(a.ctx, "SELECT COUNT(*) FROM tale")
	must(a, err)
	defer s.Close()
	tx, err := a.db.BeginTx(a.ctx, nil)
	must(a, err)
	rows, err := tx.StmtContext(a.ctx, s).QueryContext(a.ctx)
	a.rows("in a transaction", rows, err)
	a.say("%s", said(tx.Rollback()))
}

func refused(a *tale) {
	a.exec("CREATE TABLE tale (id INT PRIMARY KEY, v VARCHAR(2) NOT NULL)")
	a.exec("INSERT INTO tale VALUES (1, 'a')")
	a.exec("INSERT INTO tale VALUES (1, 'b')")
	a.exec("INSERT INTO tale VALUES (?, ?)", 1, "b")
	a.exec("INSERT INTO tale VALUES (2, NULL)")
	a.exec("INSERT INTO tale VALUES (2, 'long')")
	a.exec("INSERT INTO tale VALUES (2, ?)", "long")
	a.exec("CREATE TABLE tale (id INT)")
	a.query("SELECT * FROM tale_that_is_not")
	a.prepared("SELECT * FROM tale_that_is_not WHERE id = ?", 1)
	a.exec("KILL 4294967295")
	a.exec("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 31234, MESSAGE_TEXT = 'as told'")
	a.exec("CREATE DATABASE forbidden_to_it")
	a.query("SELECT v FROM tale WHERE id = (SELECT 1 UNION SELECT 2)") // fails while rows are read
}

func contexts(a *tale) {
	over, cancel := context.WithCancel(a.ctx)
	cancel()
	_, err := a.db.ExecContext(over, "DO 1")
	a.say("exec: %s", said(err))
	_, err = a.db.QueryContext(over, "SELECT 1")
	a.say("query: %s", said(err))
	_, err = a.db.PrepareContext(over, "SELECT 1")
	a.say("prepare: %s", said(err))
	_, err = a.db.BeginTx(over, nil)
	a.say("begin: %s", said(err))
	a.say("ping: %s", said(a.db.PingContext(over)))
	s, err := a.db.PrepareContext(a.ctx, "SELECT SLEEP(?)")
	must(a, err)
	defer s.Close()
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := a.db.ExecContext(ctx, "DO SLEEP(60)"); return err },
		func(ctx context.Context) error { _, err := s.ExecContext(ctx, 60); return err },
		func(ctx context.Context) error {
			var n int
			return a.db.QueryRowContext(ctx, "SELECT SLEEP(60)").Scan(&n)
		},
		func(ctx context.Context) error { var n int; return s.QueryRowContext(ctx, 60).Scan(&n) },
	} {
		ctx, cancel := context.WithTimeout(a.ctx, 30*time.Millisecond)
		a.say("in the middle: %s, then %s", said(run(ctx)), said(a.db.PingContext(a.ctx)))
		cancel()
	}
	ctx, cancel := context.WithCancel(a.ctx)
	tx, err := a.db.BeginTx(ctx, nil)
	must(a, err)
	cancel()
	_, err = tx.ExecContext(a.ctx, "DO 1")
	for range 1000 { // database/sql rolls back beside us
		if err != nil {
			break
		}
		time.Sleep(time.Millisecond)
		_, err = tx.ExecContext(a.ctx, "DO 1")
	}
	a.say("transaction of an ended context: %s", said(tx.Commit()))
}

func connectionReturns(a *tale) {
	conn, err := a.db.Conn(a.ctx)
	must(a, err)
	a.say("close: %s, again %s", said(conn.Close()), said(conn.Close()))
	_, err = conn.ExecContext(a.ctx, "DO 1")
	a.say("used after: %s", said(err))
	rows, err := a.db.QueryContext(a.ctx, "SELECT 1 UNION SELECT 2")
	must(a, err)
	a.say("close: %s, again %s, next %v, %s", said(rows.Close()), said(rows.Close()), rows.Next(), said(rows.Err()))
	a.query("SELECT 1")
}
