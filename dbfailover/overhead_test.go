package dbfailover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// hollowDriver is a driver that does nothing but exchange a packet for each operation,
// with a network that does nothing at all. What is left is database/sql and, around
// half of them, ours.
type hollowDriver struct {
	wrapped bool
	turn    atomic.Uint64
	all     *sockets
}

func (d *hollowDriver) Driver() driver.Driver { return &mysql.MySQLDriver{} }

func (d *hollowDriver) Connect(context.Context) (driver.Conn, error) {
	raw := nowhere{}
	if !d.wrapped {
		return &hollowConn{wire: raw}, nil
	}
	// The same layers as in Connector.open: greeting, descriptor, socket.
	first := &greeted{Conn: raw, past: true}
	line, err := d.all.add(withDescriptor(first, raw), Primary, d.turn.Load())
	if err != nil {
		return nil, err
	}
	return &conn{driverConn: &hollowConn{wire: line.wrap()}, line: line, current: &d.turn}, nil
}

// nowhere takes and gives everything at once.
type nowhere struct{ net.Conn }

func (nowhere) Read(b []byte) (int, error)  { return len(b), nil }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }

// hollowConn is everything the real driver's connections are. It makes no garbage of
// its own, so what is counted is not its.
type hollowConn struct {
	wire    net.Conn
	request [16]byte
	reply   [16]byte
	rows    hollowRows
}

func (c *hollowConn) trip() error {
	if _, err := c.wire.Write(c.request[:]); err != nil {
		return err
	}
	_, err := c.wire.Read(c.reply[:])
	return err
}

func (c *hollowConn) Ping(context.Context) error               { return c.trip() }
func (c *hollowConn) Close() error                             { return c.wire.Close() }
func (c *hollowConn) ResetSession(context.Context) error       { return nil }
func (c *hollowConn) IsValid() bool                            { return true }
func (c *hollowConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c *hollowConn) Begin() (driver.Tx, error)                { return c, c.trip() }
func (c *hollowConn) Commit() error                            { return c.trip() }
func (c *hollowConn) Rollback() error                          { return c.trip() }
func (c *hollowConn) Prepare(string) (driver.Stmt, error)      { return (*hollowStmt)(c), c.trip() }
func (c *hollowConn) LastInsertId() (int64, error)             { return 0, nil }
func (c *hollowConn) RowsAffected() (int64, error)             { return 1, nil }
func (c *hollowConn) Exec(string, []driver.Value) (driver.Result, error) {
	return c, c.trip()
}
func (c *hollowConn) Query(string, []driver.Value) (driver.Rows, error) {
	return c.result(), c.trip()
}
func (c *hollowConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return c, c.trip()
}
func (c *hollowConn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return (*hollowStmt)(c), c.trip()
}
func (c *hollowConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return c, c.trip()
}
func (c *hollowConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return c.result(), c.trip()
}
func (c *hollowConn) result() driver.Rows {
	c.rows = 1
	return &c.rows
}

// hollowStmt is a prepared statement of the same connection.
type hollowStmt hollowConn

func (s *hollowStmt) Close() error                             { return nil }
func (s *hollowStmt) NumInput() int                            { return -1 }
func (s *hollowStmt) CheckNamedValue(*driver.NamedValue) error { return nil }
func (s *hollowStmt) ColumnConverter(int) driver.ValueConverter {
	return driver.DefaultParameterConverter
}
func (s *hollowStmt) Exec([]driver.Value) (driver.Result, error) {
	return (*hollowConn)(s), (*hollowConn)(s).trip()
}
func (s *hollowStmt) Query([]driver.Value) (driver.Rows, error) {
	return (*hollowConn)(s).result(), (*hollowConn)(s).trip()
}
func (s *hollowStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return (*hollowConn)(s), (*hollowConn)(s).trip()
}
func (s *hollowStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return (*hollowConn)(s).result(), (*hollowConn)(s).trip()
}

// hollowRows is how many rows are left, of one column.
type hollowRows int

func (r *hollowRows) Columns() []string { return hollowColumns }
func (r *hollowRows) Close() error      { return nil }
func (r *hollowRows) Next(dest []driver.Value) error {
	if *r == 0 {
		return io.EOF
	}
	*r--
	dest[0] = hollowValue
	return nil
}

var (
	hollowColumns              = []string{"x"}
	hollowValue   driver.Value = int64(7) // made an interface once
)

// hollowOps are the operations of an application, each on a pool of one connection.
func hollowOps(b testing.TB, db *sql.DB) map[string]func() error {
	b.Helper()
	ctx := context.Background()
	prepared, err := db.PrepareContext(ctx, "SELECT x")
	must(b, err)
	b.Cleanup(func() { _ = prepared.Close() })
	var x int64
	return map[string]func() error{
		"ping":     func() error { return db.PingContext(ctx) },
		"exec":     func() error { _, err := db.ExecContext(ctx, "UPDATE t SET x=1"); return err },
		"query":    func() error { return db.QueryRowContext(ctx, "SELECT x").Scan(&x) },
		"prepared": func() error { return prepared.QueryRowContext(ctx).Scan(&x) },
		"transaction": func() error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE t SET x=1"); err != nil {
				return err
			}
			return tx.Commit()
		},
	}
}

var hollowNames = []string{"ping", "exec", "query", "prepared", "transaction"}

// hollowPair returns the operations through the bare driver and through ours.
func hollowPair(b testing.TB) (both [2]map[string]func() error) {
	b.Helper()
	for i := range both {
		db := sql.OpenDB(&hollowDriver{wrapped: i == 1, all: newSockets(func(Role) {})})
		db.SetMaxOpenConns(1)
		b.Cleanup(func() { _ = db.Close() })
		both[i] = hollowOps(b, db)
	}
	return both
}

// What the wrapping adds to the driver's garbage is none.
func TestPoolWithUsAllocatesNoMore(t *testing.T) {
	both := hollowPair(t)
	for _, name := range hollowNames {
		allocs := [2]float64{math.Inf(1), math.Inf(1)}
		for k := range 10 { // the least of some: what goroutines of other tests allocate is counted as well
			allocs[k%2] = min(allocs[k%2], testing.AllocsPerRun(500, func() {
				if err := both[k%2][name](); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if allocs[1] > allocs[0] {
			t.Errorf("%s: %v allocations, %v without us", name, allocs[1], allocs[0])
		}
	}
}

// BenchmarkOverhead times each operation with and without us in turns, so that whatever
// else the machine does meets both. Command bench reads its metrics.
func BenchmarkOverhead(b *testing.B) {
	for _, name := range hollowNames {
		b.Run(name, func(b *testing.B) {
			both := hollowPair(b)
			const chunk = 500
			var times [2][]float64
			var allocs [2]uint64
			n := 0
			for ; n == 0 || n*chunk < b.N; n++ {
				for k := range both {
					i := (k + n) % 2
					took, made := repeat(b, both[i][name], chunk)
					times[i], allocs[i] = append(times[i], float64(took)/chunk), allocs[i]+made
				}
			}
			for i, who := range []string{"bare", "ours"} {
				slices.Sort(times[i])
				b.ReportMetric(times[i][len(times[i])/2], who+"-ns/op")
				b.ReportMetric(float64(allocs[i]/uint64(n*chunk)), who+"-allocs/op")
			}
			b.ReportMetric(0, "ns/op") // of both together: means nothing
		})
	}
}

func repeat(b *testing.B, op func() error, times int) (took time.Duration, allocs uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range times {
		if err := op(); err != nil {
			b.Fatal(err)
		}
	}
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	return took, after.Mallocs - before.Mallocs
}
