package dbfailover

import (
	"slices"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A nightly job that an administrator has made in the application's schema: it is nobody's
// thread and no account's login, so it goes on writing to a server that is fenced.
func TestEventsInTheApplicationsSchemasAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	refused := func(id int, name string) bool {
		t.Helper()
		list, err := d.station(t, "north", id).refusals(t.Context())
		must(t, err)
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "event "+name) })
	}
	const job = " ON SCHEDULE EVERY 1 DAY DO DO 1"
	one.SQL("CREATE DEFINER=root@localhost EVENT north_log.job"+job, "CREATE DEFINER=root@localhost EVENT south.job"+job)
	two.AwaitCaughtUp(one)
	if !refused(1, "north_log.job") || refused(1, "south.job") {
		t.Error("not the application's event is refused where it runs, or another's")
	}
	if refused(2, "") {
		t.Error("refused where it was replicated to, and does not run")
	}
	one.SQL("ALTER DEFINER=root@localhost EVENT north_log.job DISABLE")
	if refused(1, "") {
		t.Error("refused although it is disabled")
	}
}
