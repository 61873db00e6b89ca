package dbfailover

import (
	"context"
	"database/sql/driver"
)

// driverStmt is everything the driver's statements can do.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
	ColumnConverter(index int) driver.ValueConverter
}

// stmt is the driver's prepared statement with an error that can be read. database/sql
// prepares for every Exec with arguments, so a connection keeps one to use again.
type stmt struct {
	driverStmt
	conn  *conn
	query string
}

func (c *conn) wrap(inner driver.Stmt, query string) driver.Stmt {
	full, ok := inner.(driverStmt)
	if !ok {
		return inner
	}
	s := c.spare
	c.spare = nil
	if s == nil {
		s = &stmt{}
	}
	s.driverStmt, s.conn, s.query = full, c, query
	return s
}

// ExecContext is the driver's.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	before := s.conn.line.wrote.Load()
	result, err := s.driverStmt.ExecContext(ctx, args)
	return result, s.conn.verdict(before, s.query, err)
}

// QueryContext is the driver's.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	before := s.conn.line.wrote.Load()
	rows, err := s.driverStmt.QueryContext(ctx, args)
	return rows, s.conn.verdict(before, s.query, err)
}

// Close closes the statement. database/sql does not touch it afterwards.
func (s *stmt) Close() error {
	if s.driverStmt == nil {
		return nil
	}
	err := s.driverStmt.Close()
	s.driverStmt, s.query = nil, ""
	s.conn.spare = s
	return err
}
