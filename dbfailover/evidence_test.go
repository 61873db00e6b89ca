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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func answered(n uint16) error {
	return &mysql.MySQLError{Number: n, Message: "Access denied for PATIENT NAME"}
}

func dialError(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// The table of the package comment.
func TestEveryErrorHasItsMeaning(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Health
	}{
		{nil, HealthOK},
		{dialError(syscall.ECONNREFUSED), HealthDead},
		{dialError(syscall.ECONNRESET), HealthDead},
		{dialError(syscall.EHOSTUNREACH), HealthDead},
		{dialError(syscall.ENETUNREACH), HealthDead},
		{syscall.EPIPE, HealthDead},
		{dialError(syscall.ECONNABORTED), HealthDead},
		{dialError(syscall.ENETDOWN), HealthDead},
		{io.EOF, HealthDead},
		{io.ErrUnexpectedEOF, HealthDead},
		{mysql.ErrInvalidConn, HealthDead},
		{driver.ErrBadConn, HealthDead},
		{context.DeadlineExceeded, HealthDead}, // of the check: the caller's never gets here
		{answered(1053), HealthDead},
		{answered(3032), HealthDead},

		{answered(1040), HealthRefusing},
		{answered(1044), HealthRefusing},
		{answered(1045), HealthRefusing},
		{answered(1049), HealthRefusing},
		{answered(1129), HealthRefusing},
		{answered(1203), HealthRefusing},
		{answered(1226), HealthRefusing},
		{answered(1290), HealthRefusing},
		{answered(65000), HealthRefusing},
		{mysql.ErrNoTLS, HealthRefusing},
		{mysql.ErrUnknownPlugin, HealthRefusing},
		{errGreeting, HealthRefusing},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{}}, HealthRefusing},
		{x509.UnknownAuthorityError{}, HealthRefusing},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(42)}, HealthRefusing},
		{tls.RecordHeaderError{Msg: "not TLS"}, HealthRefusing},

		{answered(1317), HealthUnknown},
		{answered(1927), HealthUnknown},
		{context.Canceled, HealthUnknown},
		{net.ErrClosed, HealthUnknown},
		{dialError(&net.DNSError{IsTimeout: true, Name: "db1"}), HealthUnknown},
		{dialError(syscall.EMFILE), HealthUnknown},
		{&credentialsError{context.DeadlineExceeded}, HealthUnknown},
		{&credentialsError{syscall.ECONNREFUSED}, HealthUnknown},
		{mysql.ErrMalformPkt, HealthUnknown},
		{mysql.ErrPktSync, HealthUnknown},
		{errors.New("something new for PATIENT NAME"), HealthUnknown},
		{dialError(syscall.EPERM), HealthUnknown},
	} {
		for _, err := range []error{c.err, wrap(c.err)} {
			got, reason := judge(err)
			if got != c.want {
				t.Errorf("%v: %v, want %v", err, got, c.want)
			}
			if reason == "" || strings.Contains(reason, "PATIENT") {
				t.Errorf("%v: reason %q", err, reason)
			}
		}
	}
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("wrapped: %w", err)
}

func TestOwnPauseIsNoEvidence(t *testing.T) {
	for took, want := range map[time.Duration]bool{
		500 * time.Millisecond: false, 510 * time.Millisecond: false, 999 * time.Millisecond: false,
		1001 * time.Millisecond: true, time.Hour: true,
	} {
		if got := paused(took, 500*time.Millisecond); got != want {
			t.Errorf("%v: %v", took, got)
		}
	}
}
