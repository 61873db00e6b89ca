package dbfailover

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A fence that waits for a global lock must not fall when everybody has given it up.
func TestAbandonedCallIsKilled(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	holder, err := one.Root().Conn(t.Context())
	must(t, err)
	_, err = holder.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	must(t, err)
	s := d.station(t, "north", 1)
	_, err = s.open(t.Context())
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, _, err := s.lock(ctx, 1); err == nil {
		t.Fatal("the scene was not set: the account was locked")
	}
	s.leave()
	eventually(t, "the call ends", func() bool {
		return count(t, one, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER USER%'") == 0
	})
	must(t, holder.Close())
	one.SQL("UNLOCK TABLES")
	if d.lockedOut(t, "north", 1) {
		t.Error("the fence fell after it had been given up")
	}
}

// A routine of another definer runs under that one's name in the list of processes.
func TestFenceFindsThreadsThatGoByAnotherName(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	one.SQL("CREATE DEFINER=root@localhost PROCEDURE north.slow() SQL SECURITY DEFINER BEGIN DECLARE i INT DEFAULT 0; " +
		"WHILE i < 300 DO SET i = i + 1; DO SLEEP(0.01); END WHILE; INSERT INTO north.note (text) VALUES ('after the fence'); END")
	one.SQL("CREATE DEFINER=root@localhost TRIGGER north.noted BEFORE INSERT ON north.note FOR EACH ROW SET NEW.text = NEW.text")
	s := d.station(t, "north", 1)
	list, err := s.refusals(t.Context())
	must(t, err)
	if d.flavour == MariaDB { // it cannot be found, so it is refused
		for _, what := range []string{"the routine north.slow runs in the name of another account", "the trigger north.noted runs in the name of another account"} {
			if !strings.Contains(strings.Join(list, "; "), what) {
				t.Errorf("refuses %v, not %s", list, what)
			}
		}
		return
	}
	if len(list) > 0 {
		t.Errorf("refuses %v", list)
	}
	app := d.direct(t, "north", 1)
	done := make(chan error)
	go func() {
		_, err := app.Exec("CALL slow()")
		done <- err
	}()
	eventually(t, "it runs", func() bool {
		return count(t, one, "SELECT COUNT(*) FROM performance_schema.processlist WHERE USER='north_app' AND COMMAND='Query'") == 1
	})
	left, _, err := s.lock(t.Context(), 1)
	must(t, err)
	if err := <-done; err == nil || left != 0 || d.texts(t, "north", 1)["after the fence"] {
		t.Errorf("%d left; the call: %v", left, err)
	}
}
