package dbfailover

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"testing"
)

// idle is a driver that does nothing, so that what is measured is ours.
type idle struct{ driverConn }

type idleStmt struct{ driverStmt }

type idleTx struct{}

var (
	theIdleStmt           = &idleStmt{}
	theIdleTx   driver.Tx = idleTx{}
)

func (idleTx) Commit() error   { return nil }
func (idleTx) Rollback() error { return nil }

func (idle) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return theIdleTx, nil }

func (idle) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}
func (idle) PrepareContext(context.Context, string) (driver.Stmt, error) { return theIdleStmt, nil }
func (idle) ResetSession(context.Context) error                          { return nil }
func (idle) IsValid() bool                                               { return true }
func (*idleStmt) Close() error                                           { return nil }
func (*idleStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

func idleConn() *conn {
	var turn atomic.Uint64
	return &conn{driverConn: idle{}, line: &tracked{}, current: &turn}
}

// operation is what database/sql does with a connection for a transaction of two Execs,
// one of them prepared.
func operation(c *conn) error {
	if err := c.ResetSession(context.Background()); err != nil {
		return err
	}
	t, err := c.BeginTx(context.Background(), driver.TxOptions{})
	if err != nil {
		return err
	}
	s, err := c.PrepareContext(context.Background(), "INSERT INTO a VALUES (?)")
	if err != nil {
		return err
	}
	if _, err := s.(driver.StmtExecContext).ExecContext(context.Background(), nil); err != nil {
		return err
	}
	if _, err := c.ExecContext(context.Background(), "DO 1", nil); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	c.IsValid()
	return t.Commit()
}

func TestWrappingAllocatesNothing(t *testing.T) {
	c := idleConn()
	if n := testing.AllocsPerRun(1000, func() { must(t, operation(c)) }); n != 0 {
		t.Errorf("%v allocations in each operation", n)
	}
}

func BenchmarkWrapping(b *testing.B) {
	c := idleConn()
	b.ReportAllocs()
	for b.Loop() {
		_ = operation(c)
	}
}
