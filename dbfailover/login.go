package dbfailover

import (
	"context"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// challenges bounds how many connections one login uses up.
const challenges = 3

// login connects and logs in; where the driver could not read what the server
// sent, it does so again.
//
// MariaDB's ed25519 plugin sends a challenge of 32 random bytes. The driver takes
// a last byte of zero for the end of a string, cuts it off and finds the rest too
// short: one login in 256 to a healthy server ends as a malformed packet (10 of
// 2000 measured; packets.go readAuthResult, v1.10.1). The next connection gets
// another challenge, and three in a row fail once in 16 million. Nothing was sent
// but an account's name, so nothing is sent twice.
func (e *endpoint) login(ctx context.Context, c Credentials, keep hold) (conn driverConn, err error) {
	for range challenges {
		conn, err = e.tryLogin(ctx, c, keep)
		if !errors.Is(err, mysql.ErrMalformPkt) || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// relogin asks for credentials and logs in; when the server refuses them it asks
// once more, for those that may have been rotated in between. The same answer is
// not tried twice: servers lock accounts after a number of refusals.
func (e *endpoint) relogin(ctx context.Context, open func(Credentials) (driverConn, error)) (driverConn, error) {
	first, err := e.credentials(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := open(first)
	if !serverSaid(err, errAccessDenied) {
		return conn, err
	}
	second, askErr := e.credentials(ctx)
	if askErr != nil || second.equal(first) {
		return nil, err
	}
	return open(second)
}
