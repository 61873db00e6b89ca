package dbfailover

import "errors"

// Errors to ask for with errors.Is. The driver's own errors stay reachable too:
// errors.As finds a *mysql.MySQLError, errors.Is finds mysql.ErrInvalidConn.
var (
	// ErrDown: the active server does not answer and there is no other to go to.
	// Nothing was sent; the work is safe to try again later.
	ErrDown = errors.New("dbfailover: no server to go to")
	// ErrFrozen: both servers claim the application, or the one that must not have it
	// cannot be locked. Nothing was sent. An operator decides; see [Connector.Switch].
	ErrFrozen = errors.New("dbfailover: frozen: two servers claim the same application")
	// ErrVetoed: this web node does not reach the server in use, others do. Answered by
	// [Connector.Ready], so that a load balancer sends requests to those.
	ErrVetoed = errors.New("dbfailover: other web nodes reach the server that this one does not")
	// ErrClosed: the Connector was closed.
	ErrClosed = errors.New("dbfailover: connector is closed")
	// ErrConnLost: the connection broke before COMMIT was sent, or while reading. What
	// the transaction did is rolled back by the server (except what a statement like
	// ALTER TABLE committed on its way), so the whole of it may run again.
	ErrConnLost = errors.New("dbfailover: connection lost before COMMIT was sent")
	// ErrCommitUnknown: COMMIT was sent and no answer came, or a statement that commits
	// by itself: a write outside of a transaction, DDL, CALL. It may have been committed
	// or not, and running it again may do it twice. Only the data can tell.
	ErrCommitUnknown = errors.New("dbfailover: COMMIT was sent but its outcome is unknown")
)

var (
	// errCut: the connector gave this connection up, because of a switch.
	errCut = errors.New("dbfailover: connection given up by a switch")
	// errNoCheck: the server's check did not end in time.
	errNoCheck = errors.New("dbfailover: no check of the server came in")
)
