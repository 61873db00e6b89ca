package dbfailover

import (
	"context"
	"errors"
	"log/slog"
)

// Credentials is what one login needs.
type Credentials struct {
	User     string
	Password Password
	// Cleartext lets the server ask for the password itself instead of a proof of
	// it, which IAM tokens and PAM need (plugin mysql_clear_password). The
	// password then travels inside verified TLS, never outside. Default false.
	Cleartext bool
}

// Password is a secret that does not print: fmt with every verb, slog, JSON and
// reflection-based dumpers show no part of it. The zero value is the empty
// password.
type Password struct {
	// A function, because fmt does not call String on a value in somebody's
	// unexported field but does print the strings inside it.
	reveal func() string
}

const redacted = "[redacted]"

// NewPassword wraps a secret.
func NewPassword(secret string) Password {
	return Password{reveal: func() string { return secret }}
}

// String returns a fixed text. So does fmt with any verb.
func (Password) String() string { return redacted }

// GoString returns a fixed text.
func (Password) GoString() string { return redacted }

// MarshalText returns a fixed text: a Password cannot be stored.
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a fixed text.
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

func (p Password) secret() string {
	if p.reveal == nil {
		return ""
	}
	return p.reveal()
}

func (c Credentials) equal(d Credentials) bool {
	return c.User == d.User && c.Cleartext == d.Cleartext && c.Password.secret() == d.Password.secret()
}

// credentialsError marks what the application's callback returned, so that a
// vault that is away is never taken for a database server that is.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "credentials callback: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// onlyUser refuses credentials of another account than the one that is fenced: whoever is
// let in with those goes on writing to a server that everybody has left.
func onlyUser(user string, ask func(context.Context, Server) (Credentials, error)) func(context.Context, Server) (Credentials, error) {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, s Server) (Credentials, error) {
		c, err := ask(ctx, s)
		if err == nil && c.User != user {
			err = errors.New("dbfailover: Config.Credentials answered with another account than App.User, which no fence would keep out")
		}
		return c, err
	}
}

// anyBut refuses the account that is fenced for the checks.
func anyBut(user string, ask func(context.Context, Server) (Credentials, error)) func(context.Context, Server) (Credentials, error) {
	return func(ctx context.Context, s Server) (Credentials, error) {
		c, err := ask(ctx, s)
		if err == nil && c.User == user {
			err = errMonitorFenced
		}
		return c, err
	}
}
