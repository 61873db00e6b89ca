package dbfailover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestPasswordNeverPrints(t *testing.T) {
	const secret = "correct horse battery"
	creds := Credentials{User: "app", Password: NewPassword(secret)}
	hidden := struct{ inner Credentials }{creds}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		for _, value := range []any{creds, &creds, creds.Password, &creds.Password, hidden, &hidden, []any{creds}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("login", "creds", creds, "password", creds.Password)
	}
	if err := json.NewEncoder(&out).Encode(creds); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret)} {
		if strings.Contains(out.String(), part) {
			t.Errorf("the secret is in the output: %s", out.String())
		}
	}
	if creds.Password.secret() != secret || (Password{}).secret() != "" {
		t.Error("the secret is lost")
	}
}

func TestRefusedCredentialsAreAskedForAgainOnce(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		r.mustBe(t, StatePrimary, "db1.test")

		// Rotated between our question and the login: the second answer is good.
		endpoint := *r.c.endpoints[Primary]
		answers := []string{"old", "new", "never asked"}
		endpoint.ask = func(context.Context, Server) (Credentials, error) {
			next := answers[0]
			answers = answers[1:]
			return Credentials{User: next}, nil
		}
		r.servers[0].set(func(f *fake) { f.user = "new" })
		r.c.endpoints[Primary] = &endpoint
		conn, err := r.c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if len(answers) != 1 {
			t.Errorf("%d answers left, want 1", len(answers))
		}
	})
}

func TestSameWrongPasswordIsNotTriedTwice(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.config.Credentials = fixed("mallory")
		r.start(t)
		before := r.servers[0].refusals()
		_, err := r.c.Connect(t.Context())
		if !serverSaid(err, 1045) {
			t.Errorf("got %v, want 1045", err)
		}
		if tried := r.servers[0].refusals() - before; tried != 1 {
			t.Errorf("tried %d times: accounts are locked after some", tried)
		}
		if strings.Contains(r.log.String(), "mallory") {
			t.Error("the account's name is in the log")
		}
	})
}

func TestRotationReachesTheChecks(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		var user atomic.Value
		user.Store("app")
		r.config.Credentials = func(context.Context, Server) (Credentials, error) {
			return Credentials{User: user.Load().(string)}, nil
		}
		r.start(t)
		user.Store("app2")
		for _, s := range r.servers {
			s.set(func(f *fake) { f.user = "app2" })
		}
		time.Sleep(3 * time.Minute)
		r.mustBe(t, StatePrimary, "db1.test")
		for _, s := range r.c.Status().Servers {
			if s.Health != HealthOK {
				t.Errorf("%v: %v (%s)", s.Role, s.Health, s.Reason)
			}
		}
		if n := r.servers[0].refusals(); n > 1 {
			t.Errorf("%d refused logins for one rotation", n)
		}
	})
}

func TestVaultThatIsAwayIsNoDeadServer(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		away := errors.New("vault is sealed")
		var sealed atomic.Bool
		r.config.Credentials = func(ctx context.Context, s Server) (Credentials, error) {
			if sealed.Load() {
				return Credentials{}, away
			}
			return fixed("app")(ctx, s)
		}
		r.start(t)
		sealed.Store(true)
		time.Sleep(3 * time.Minute)
		if s := r.c.Status(); s.State != StatePrimary || s.Epoch != 1 {
			t.Errorf("state %v, epoch %d", s.State, s.Epoch)
		}
		if _, err := r.c.Connect(t.Context()); !errors.Is(err, away) {
			t.Errorf("got %v, want the callback's own error", err)
		}
		// The checks go on with what they know, and see a real failure.
		r.servers[0].kill()
		time.Sleep(time.Second)
		r.mustBe(t, StateSecondary, "")
	})
}

func TestNoDecisionDoesNotMeanWaitingForEver(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		away := errors.New("vault is sealed")
		r.config.Credentials = func(context.Context, Server) (Credentials, error) { return Credentials{}, away }
		r.open(t)
		_, err := r.c.Connect(t.Context())
		if !errors.Is(err, away) {
			t.Errorf("got %v, want the callback's own error", err)
		}
		r.mustBe(t, StateInit, "")
	})
}

func TestServerErrorsStayReachable(t *testing.T) {
	err := named(Primary, &mysql.MySQLError{Number: 1040})
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) || answer.Number != 1040 {
		t.Errorf("%v hides the driver's error", err)
	}
}
