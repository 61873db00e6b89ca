package dbfailover

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// On two real servers, through a planned switch and the death of the writer: every
// transition of every web node is in its log exactly once, in the order in which the
// page lists them, and no line of log or page names an account or a password.
func TestTransitionsOfThePairAreLoggedOnceAndShown(t *testing.T) {
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	nodes := []*webNode{d.node(t, "north", "a", Fast), d.node(t, "north", "b", Careful)}
	for _, n := range nodes {
		n.well(t, StatePrimary, 1)
	}
	must(t, nodes[0].c.Switch(t.Context(), Secondary))
	for _, n := range nodes {
		n.well(t, StateSecondary, 2)
	}
	d.pair.Servers[1].Kill()
	for _, n := range nodes {
		n.reaches(t, StatePrimary, 3)
		eventually(t, n.name+" counts the new epoch on its server", func() bool {
			text := bodyOf(t, askPage(t, n.c.Handler(n.db), "GET", "/?format=prometheus"))
			e := parseMetrics(t, text)
			return e.samples["dbfailover_epoch{}"] == 3 && e.samples[`dbfailover_server_health{server="primary",health="ok"}`] == 1 &&
				e.samples[`dbfailover_replication_epoch{server="primary"}`] == 3
		})
	}
	for _, n := range nodes {
		n.stop() // nothing is pending any more
		loggedAsShown(t, n, n.c.Handler())
	}
}

func loggedAsShown(t *testing.T, n *webNode, h http.Handler) {
	t.Helper()
	var page struct {
		Entered map[string]int
		Recent  []struct {
			From, To, Active, Reason string
			Epoch                    uint64
		}
	}
	must(t, json.Unmarshal([]byte(bodyOf(t, askPage(t, h, "GET", "/?format=json"))), &page))
	log, at, entered := n.log.String(), 0, -1 // INIT is entered without a line
	for _, times := range page.Entered {
		entered += times
	}
	if lines := strings.Count(log, `msg="dbfailover: state changed"`); lines != entered || len(page.Recent) != min(entered, recent) || entered < 4 {
		t.Errorf("%s: %d transitions, %d lines, %d shown", n.name, entered, lines, len(page.Recent))
	}
	for _, tr := range page.Recent {
		line := fmt.Sprintf("from=%s to=%s active=%s epoch=%d reason=", tr.From, tr.To, tr.Active, tr.Epoch)
		next := strings.Index(log[at:], line)
		if next < 0 {
			t.Fatalf("%s: %q is not in the log, or too early", n.name, line)
		}
		at += next + len(line)
	}
	for _, secret := range []string{duoPassword, "north_app", "north_mon"} {
		if strings.Contains(log, secret) || strings.Contains(bodyOf(t, askPage(t, h, "GET", "/")), secret) {
			t.Errorf("%s: %s is told", n.name, secret)
		}
	}
}
