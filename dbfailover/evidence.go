package dbfailover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Server error numbers, from the MariaDB and MySQL error references.
const (
	errServerShutdown     = 1053
	errAccessDenied       = 1045
	errGate               = 1644 // SIGNAL, see the script
	errAppliersFollow     = 3030 // MySQL: an applier stopped because one before it did, at the gate for instance
	errAccountLocked      = 4151 // MariaDB
	errAccountLockedMySQL = 3118
	errDuringCommit       = 1180
	errBinlogLogging      = 1598
	errReadOnly           = 1290
	errQueryInterrupted   = 1317
	errConnectionKilled   = 1927
	errDiskFull           = 1021
	errTableFull          = 1114
	errFromEngine         = 1030
	errWritingFile        = 1026
	errServerOfflineMode  = 3032
)

// judge says what an error met while checking or entering a server says about
// that server, and gives the reason in words that hold nothing of the message: a
// server's message names accounts, addresses and pieces of statements.
//
// Our own side comes first: a failed look-up claims to be a timeout, and a
// credentials callback may return any error at all, a refused connection to a
// vault for instance.
func judge(err error) (Health, string) {
	if err == nil {
		return HealthOK, "ok"
	}
	for _, j := range []func(error) (Health, string, bool){
		judgeLocal, judgeServerAnswer, judgeTLS, judgeNetwork, judgeProtocol,
	} {
		if health, reason, ok := j(err); ok {
			return health, reason
		}
	}
	// Unknown errors decide nothing. The next check, on a new connection, will
	// meet one that is known.
	return HealthUnknown, unclassified(err)
}

// judgeLocal finds what went wrong on our side of the wire.
func judgeLocal(err error) (Health, string, bool) {
	var credentials *credentialsError
	var resolve *net.DNSError
	switch {
	case errors.As(err, &credentials):
		return HealthUnknown, "credentials callback failed", true
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return HealthUnknown, "given up here", true
	case errors.As(err, &resolve):
		return HealthUnknown, "name not resolved", true
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return HealthUnknown, "out of sockets here", true
	}
	return 0, "", false
}

// judgeServerAnswer sorts errors that a server sent. An answer proves life; only
// a server that says it is going away counts as gone.
func judgeServerAnswer(err error) (Health, string, bool) {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return 0, "", false
	}
	reason := fmt.Sprintf("server error %d", answer.Number)
	switch answer.Number {
	case errServerShutdown, errServerOfflineMode:
		return HealthDead, reason, true
	case errConnectionKilled, errQueryInterrupted:
		// Somebody killed our connection: neither health nor failure.
		return HealthUnknown, reason, true
	}
	return HealthRefusing, reason, true
}

// judgeTLS finds handshakes that failed because of what was said in them, not
// because the line broke. Fail closed: a certificate that does not verify may be
// an attack, and switching away would only show it to the other server.
func judgeTLS(err error) (Health, string, bool) {
	var (
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &name), errors.As(err, &invalid):
		return HealthRefusing, "certificate does not verify", true
	case errors.As(err, &alert), errors.As(err, &record), errors.Is(err, mysql.ErrNoTLS):
		return HealthRefusing, "no TLS agreement", true
	case errors.Is(err, mysql.ErrOldProtocol), errors.Is(err, mysql.ErrNativePassword),
		errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrCleartextPassword),
		errors.Is(err, mysql.ErrUnknownPlugin):
		return HealthRefusing, "no agreement on authentication", true
	case errors.Is(err, errGreeting):
		return HealthRefusing, "not a database server", true
	}
	return 0, "", false
}

// judgeNetwork finds silence and broken lines. The driver reports a line that
// broke under it as ErrInvalidConn, also while connecting.
func judgeNetwork(err error) (Health, string, bool) {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return HealthDead, "connection refused", true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EPIPE):
		return HealthDead, "connection reset", true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENETDOWN):
		return HealthDead, "unreachable", true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return HealthDead, reasonTimeout, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
		return HealthDead, "connection closed", true
	}
	return 0, "", false
}

// These are compared against: a silent server, or one that denies, is asked less often;
// a pause of our own is no moment to decide.
const (
	reasonTimeout = "timeout"
	reasonDenied  = "server error 1045"
	reasonPaused  = "this process was paused"
)

// serverSaid reports whether err is the server's own answer with this number.
func serverSaid(err error, numbers ...uint16) bool {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return false
	}
	for _, n := range numbers {
		if answer.Number == n {
			return true
		}
	}
	return false
}
