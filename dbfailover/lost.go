package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// verdict says what became of a statement that failed: nothing is added to an answer
// of the server and to what never left this process; everything else is lost or, if
// the statement may have committed by itself, unknown.
func (c *conn) verdict(before uint64, query string, err error) error {
	if err == nil || errors.Is(err, driver.ErrSkip) || c.line.wrote.Load() == before {
		return err
	}
	if errors.Is(err, driver.ErrBadConn) {
		// The driver gives this leave to try again for every write that got no byte
		// out, also for one in the middle of LOAD DATA LOCAL, whose statement the
		// server has long got.
		err = mysql.ErrInvalidConn
	}
	if !cutOff(err) {
		return err
	}
	if c.commits(query) {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	if gaveUp(err) {
		return err // the caller's own doing, and nothing came of it
	}
	return fmt.Errorf("%w: %w", ErrConnLost, err)
}

func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// cutOff reports whether the answer to what was sent is missing. A caller who gave up
// does not know it either.
func cutOff(err error) bool {
	if serverSaid(err, errServerShutdown, errConnectionKilled, errQueryInterrupted, errDuringCommit, errBinlogLogging) {
		return true
	}
	health, _ := judge(err)
	return health == HealthDead || errors.Is(err, mysql.ErrInvalidConn) || gaveUp(err)
}

// commits reports whether a statement may have changed something for good on its own:
// inside a transaction only what ends it (DDL, CALL, LOCK TABLES), outside everything
// that is no plain read. Rather one too many: "unknown" is never wrong.
func (c *conn) commits(query string) bool {
	switch firstWord(query) {
	case "SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "TABLE", "WITH", "SET", "USE", "DO", "HELP":
		// WITH can precede an UPDATE or DELETE.
		return !c.inTx && firstWord(query) == "WITH"
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "SAVEPOINT", "RELEASE", "ROLLBACK":
		return !c.inTx
	}
	return true
}

// firstWord returns a statement's first word in capitals, past comments and brackets.
func firstWord(query string) string {
	for {
		query = strings.TrimLeft(query, " \t\r\n(")
		switch {
		case strings.HasPrefix(query, "/*") && !strings.HasPrefix(query, "/*!") && !strings.HasPrefix(query, "/*M!"):
			_, rest, found := strings.Cut(query, "*/")
			if !found {
				return ""
			}
			query = rest
		case strings.HasPrefix(query, "-- "), strings.HasPrefix(query, "#"):
			_, query, _ = strings.Cut(query, "\n")
		default:
			end := strings.IndexFunc(query, func(r rune) bool { return !('a' <= r|0x20 && r|0x20 <= 'z') })
			if end < 0 {
				end = len(query)
			}
			return strings.ToUpper(query[:end])
		}
	}
}
