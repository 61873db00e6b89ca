package dbfailover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestEverythingIsAsTheDriverHasIt tells the same story twice to one server, through the
// bare driver and through a Connector, and compares what came back word by word:
// values and their types, types of columns, numbers of errors. What is told are the ideas
// of the driver's own tests (go-sql-driver/mysql, driver_test.go), for each setting of the
// session.
func TestEverythingIsAsTheDriverHasIt(t *testing.T) {
	t.Parallel()
	l := servers(t, Careful)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	must(t, err)
	for name, session := range map[string]Session{
		"defaults":     {},
		"interpolated": {InterpolateParams: true, ParseTime: true},
		"elsewhere":    {ParseTime: true, Location: tokyo, ClientFoundRows: true, Collation: "utf8mb4_bin"},
		"variables":    {Variables: map[string]string{"sql_mode": "'ANSI_QUOTES'", "time_zone": "'+05:30'"}},
	} {
		l.config.Session = session
		ours := l.open(t)
		l.healthy(t)
		bare := sql.OpenDB(l.bare(t))
		t.Cleanup(func() { _ = bare.Close() })
		for _, chapter := range slices.Sorted(maps.Keys(chapters)) {
			t.Run(name+"/"+chapter, func(t *testing.T) {
				want, got := tell(t, bare, chapter), tell(t, ours, chapter)
				if want == "" {
					t.Fatal("the story is empty")
				}
				if want != got {
					t.Errorf("the driver:\n%s\nthrough us:\n%s", want, got)
				}
			})
		}
	}
}

// bare is the driver's own connector to the primary, set up as an endpoint does it.
func (l *live) bare(t *testing.T) driver.Connector {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName = "tcp", l.config.Primary.Addr, l.config.Database
	c.User, c.Passwd = l.pair.User, l.pair.Password
	c.TLS = l.config.TLS.Clone()
	c.TLS.ServerName = l.config.Primary.ServerName
	s := l.config.Session
	c.ParseTime, c.InterpolateParams, c.ClientFoundRows, c.Params = s.ParseTime, s.InterpolateParams, s.ClientFoundRows, s.Variables
	c.Collation = s.Collation
	if s.Location != nil {
		c.Loc = s.Location
	}
	connector, err := mysql.NewConnector(c)
	must(t, err)
	return patient{connector}
}

// patient logs in again where the driver trips over a challenge that ends in zero, as
// endpoint.login does.
type patient struct{ driver.Connector }

func (p patient) Connect(ctx context.Context) (conn driver.Conn, err error) {
	for range 9 {
		if conn, err = p.Connector.Connect(ctx); err == nil {
			return conn, nil
		}
	}
	return conn, err
}

// tale writes down what a database answers.
type tale struct {
	*testing.T
	db    *sql.DB
	ctx   context.Context
	lines strings.Builder
}

func tell(t *testing.T, db *sql.DB, chapter string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // against hanging
	defer cancel()
	_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS tale, tale2")
	must(t, err)
	a := &tale{T: t, db: db, ctx: ctx}
	chapters[chapter](a)
	return a.lines.String()
}

func (a *tale) say(format string, args ...any) { fmt.Fprintf(&a.lines, format+"\n", args...) }

// said is what an error means to a caller, without what differs by nature: numbers of
// connections, and who of both sides noticed first.
func said(err error) string {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return "well"
	case errors.As(err, &answer):
		return fmt.Sprintf("error %d (%s)", answer.Number, answer.SQLState)
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, sql.ErrNoRows, sql.ErrTxDone, sql.ErrConnDone,
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrPktTooLarge, mysql.ErrMalformPkt} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

func (a *tale) exec(query string, args ...any) {
	result, err := a.db.ExecContext(a.ctx, query, args...)
	a.say("exec %.60s: %s", query, said(err))
	if err != nil {
		return
	}
	affected, err1 := result.RowsAffected()
	id, err2 := result.LastInsertId()
	a.say("  affected %d %s, id %d %s", affected, said(err1), id, said(err2))
}

// query asks with the text protocol, or filled in, if there are arguments; prepared asks
// with the binary one.
func (a *tale) query(query string, args ...any) {
	rows, err := a.db.QueryContext(a.ctx, query, args...)
	a.rows(query, rows, err)
}

func (a *tale) prepared(query string, args ...any) {
	s, err := a.db.PrepareContext(a.ctx, query)
	if err != nil {
		a.say("prepare %.60s: %s", query, said(err))
		return
	}
	defer s.Close()
	rows, err := s.QueryContext(a.ctx, args...)
	a.rows("prepared "+query, rows, err)
}

func (a *tale) rows(query string, rows *sql.Rows, err error) {
	a.say("query %.80s: %s", query, said(err))
	if err != nil {
		return
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		a.columns(rows)
		for rows.Next() {
			a.row(rows)
		}
		a.say("  end: %s", said(rows.Err()))
	}
	a.say("  over: %s", said(rows.Err()))
}

func (a *tale) columns(rows *sql.Rows) {
	types, err := rows.ColumnTypes()
	if err != nil {
		a.say("  no columns: %s", said(err))
	}
	for _, c := range types {
		length, hasLength := c.Length()
		precision, scale, decimal := c.DecimalSize()
		null, known := c.Nullable()
		a.say("  column %s %s %v length %d %v decimal %d %d %v null %v %v", c.Name(), c.DatabaseTypeName(), c.ScanType(),
			length, hasLength, precision, scale, decimal, null, known)
	}
}

func (a *tale) row(rows *sql.Rows) {
	columns, err := rows.Columns()
	if err != nil {
		a.say("  %s", said(err))
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	if err := rows.Scan(to...); err != nil {
		a.say("  scan: %s", said(err))
		return
	}
	for _, v := range values {
		a.say("  %T %v", v, v)
	}
}
