package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A server that refuses canaries refuses an epoch's first write as well. Nobody is fenced for
// it, and the writer goes on, whichever of them it is.
func TestServerThatRefusesCanariesIsNotPromoted(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	two := d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	two.SQL("SET sql_log_bin=0", "REVOKE EXECUTE ON PROCEDURE hipaakit.canary_north FROM north_mon@'127.0.0.1'")
	eventually(t, "an alarm", func() bool { return a.alarmed("secondary: refuses canaries (server error 1370)") })
	if err := a.c.Switch(t.Context(), Secondary); err == nil {
		t.Error("it is promoted")
	}
	if id := a.write(t, "on"); id != 1 || a.c.Status().Epoch != 1 {
		t.Errorf("server %d in epoch %d", id, a.c.Status().Epoch)
	}
	two.SQL("SET sql_log_bin=0", "GRANT EXECUTE ON PROCEDURE hipaakit.canary_north TO north_mon@'127.0.0.1'")
	eventually(t, "no alarm", func() bool { return !a.alarmed("secondary: refuses canaries") })
	must(t, a.c.Switch(t.Context(), Secondary))
}

func (n *webNode) alarmed(text string) bool {
	return strings.Contains(strings.Join(n.c.Status().Alarms, "; "), text)
}
