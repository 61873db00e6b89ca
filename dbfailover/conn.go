package dbfailover

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
)

// conn is the driver's connection, tied to the epoch in which it was opened.
// Everything that is not overridden here is the driver's own method, and rows are the
// driver's own too, so nothing of its behaviour is lost and nothing is paid per row.
//
// A connection of an earlier epoch is turned away where database/sql takes one
// out of the pool or puts one back. There no statement has been sent, so
// ErrBadConn ("use another") is the truth; in the middle of a statement it would
// be a lie, and nothing here returns it.
type conn struct {
	driverConn
	line    *tracked
	current *atomic.Uint64
	inTx    bool  // between BeginTx and its end
	spare   *stmt // a closed one
	tx      tx    // of BeginTx: there is one at a time, so its place is used again
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

// ExecContext is the driver's, with an error that can be read, see verdict.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	before := c.line.wrote.Load()
	result, err := c.driverConn.ExecContext(ctx, query, args)
	return result, c.verdict(before, query, err)
}

// QueryContext is the driver's, likewise.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	before := c.line.wrote.Load()
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	return rows, c.verdict(before, query, err)
}

// PrepareContext is the driver's. Preparing changes nothing, so what was lost is lost.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	before := c.line.wrote.Load()
	inner, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.verdict(before, "SELECT", err)
	}
	return c.wrap(inner, query), nil
}

// Prepare is PrepareContext for callers of the old interface.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// BeginTx starts a transaction whose Commit tells lost from unknown.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	before := c.line.wrote.Load()
	t, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.verdict(before, "SELECT", err)
	}
	c.inTx = true
	c.tx = tx{Tx: t, conn: c}
	return &c.tx, nil
}

// Begin is BeginTx for callers of the old interface.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}
