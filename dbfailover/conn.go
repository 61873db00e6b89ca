package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

// conn is the driver's connection, tied to the epoch in which it was opened.
// Everything that is not overridden here is the driver's own method, statements
// and rows are the driver's own too, so nothing of its behaviour is lost and
// nothing is paid per row.
//
// A connection of an earlier epoch is turned away where database/sql takes one
// out of the pool or puts one back. There no statement has been sent, so
// ErrBadConn ("use another") is the truth; in the middle of a statement it would
// be a lie, and nothing here returns it.
type conn struct {
	driverConn
	line    *tracked
	current *atomic.Uint64
}

func (c *conn) stale() bool { return c.line.epoch != c.current.Load() }

// ResetSession is called before a pooled connection is used again.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.stale() {
		return driver.ErrBadConn
	}
	return c.driverConn.ResetSession(ctx)
}

// IsValid is called before a connection goes back to the pool.
func (c *conn) IsValid() bool { return !c.stale() && c.driverConn.IsValid() }

// ExecContext is the driver's, but for an answer that would have the statement
// sent a second time.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	before := c.line.wrote.Load()
	result, err := c.driverConn.ExecContext(ctx, query, args)
	return result, c.once(before, err)
}

// QueryContext guards in the same way.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	before := c.line.wrote.Load()
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	return rows, c.once(before, err)
}

// once takes back the leave to try again where something left this process since
// before. The driver gives it for every write that got no byte out, also for one
// in the middle of LOAD DATA LOCAL, whose statement the server has long got.
func (c *conn) once(before uint64, err error) error {
	if errors.Is(err, driver.ErrBadConn) && c.line.wrote.Load() != before {
		return mysql.ErrInvalidConn
	}
	return err
}

// BeginTx starts a transaction whose Commit tells lost from unknown.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{Tx: t, line: c.line}, nil
}

// Begin is BeginTx for callers of the old interface.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}
