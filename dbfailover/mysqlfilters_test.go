package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// filtersOf are the rules of a MySQL server's channels.
func filtersOf(t *testing.T, s *testbed.Server) (rules string) {
	t.Helper()
	must(t, s.Root().QueryRow("SELECT GROUP_CONCAT(FILTER_RULE ORDER BY CHANNEL_NAME, FILTER_NAME SEPARATOR '; ') "+
		"FROM performance_schema.replication_applier_filters").Scan(&rules))
	return rules
}

// An administrator's filter of schemas, and none of tables. After the first quarantine the
// latter is there and empty, and MySQL's table of the global filters then shows the former's
// rule for it: set in its place, that is refused (3067), with the appliers stopped.
func TestMySQLSecondQuarantineIsAsTheFirst(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	one.SQL("STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB = (plain)", "START REPLICA SQL_THREAD")
	for range 2 {
		one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)")
		if got := filtersOf(t, one); got != `plain,north,north_log; north.%,north\_log.%` {
			t.Errorf("in quarantine: %s", got)
		}
		one.SQL("CALL hipaakit.set_quarantine('north', FALSE)")
		if got := filtersOf(t, one); got != "plain; " {
			t.Errorf("after it: %s", got)
		}
	}
	// A server that follows nobody yet has global filters alone.
	one.SQL("STOP REPLICA", "RESET REPLICA ALL", "CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('other.%')",
		"CALL hipaakit.set_quarantine('north', TRUE)", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_AUTO_POSITION=1")
	if got := filtersOf(t, one); got != `plain,north,north_log; other.%,north.%,north\_log.%` {
		t.Errorf("of a new channel: %s", got)
	}
}

// CHANGE REPLICATION FILTER sets those of every channel, and what an administrator has set
// for one of several would be gone for good with the first quarantine.
func TestMySQLFiltersOfOneChannelStayOrAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	set := func(change string) {
		one.SQL("STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('other.tmp%'), REPLICATE_IGNORE_DB = (plain)"+change, "START REPLICA SQL_THREAD FOR CHANNEL ''")
	}
	refused := func() string {
		list, err := d.station(t, "north", 1).refusals(t.Context())
		must(t, err)
		return strings.Join(list, "; ")
	}
	set(" FOR CHANNEL ''")
	before := filtersOf(t, one)
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)")
	during := filtersOf(t, one)
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', FALSE)")
	if after := filtersOf(t, one); during == before || !strings.Contains(during, "plain,") || after != before || refused() != "" {
		t.Errorf("before %q, in quarantine %q, after it %q; refused %q", before, during, after, refused())
	}
	one.SQL("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_AUTO_POSITION=1 FOR CHANNEL 'report'")
	if list := refused(); list != "" {
		t.Errorf("two channels with the same filters: %s", list)
	}
	for _, channel := range []string{"report", ""} {
		set(" FOR CHANNEL '" + channel + "'")
		if list := refused(); !strings.Contains(list, "for the channel '"+channel+"' alone") {
			t.Errorf("a filter of one of two channels: %q", list)
		}
		set("")
		if list := refused(); list != "" {
			t.Errorf("set without FOR CHANNEL: %s", list)
		}
	}
}
