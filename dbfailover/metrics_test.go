package dbfailover

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exposition is the text format, read by its rules rather than by ours.
type exposition struct {
	types   map[string]string
	samples map[string]float64 // by name and labels as written
	values  map[string][]string
}

var (
	sampleLine  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelInLine = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)`)
)

// parseMetrics fails the test at whatever a scraper would refuse: a family split in
// two, a sample before its TYPE, a label twice, a line twice, a value that is none.
func parseMetrics(t testing.TB, text string) exposition {
	t.Helper()
	e := exposition{types: map[string]string{}, samples: map[string]float64{}, values: map[string][]string{}}
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line does not end")
	}
	helped, current := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# HELP "); ok {
			helped, _, _ = strings.Cut(name, " ")
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if name != helped || e.types[name] != "" || kind != "gauge" && kind != "counter" {
				t.Errorf("%q after HELP %s, %q before", line, helped, e.types[name])
			}
			e.types[name], current = kind, name
			continue
		}
		parts := sampleLine.FindStringSubmatch(line)
		if parts == nil || parts[1] != current {
			t.Errorf("%q in the family %s", line, current)
			continue
		}
		e.labels(t, parts[2])
		value, err := strconv.ParseFloat(parts[3], 64)
		key := parts[1] + "{" + parts[2] + "}"
		if _, twice := e.samples[key]; err != nil || twice {
			t.Errorf("%q: %v, twice: %v", line, err, twice)
		}
		e.samples[key] = value
	}
	return e
}

func (e exposition) labels(t testing.TB, text string) {
	t.Helper()
	seen := map[string]bool{}
	for text != "" {
		m := labelInLine.FindStringSubmatch(text)
		if m == nil || seen[m[1]] {
			t.Errorf("labels %q", text)
			return
		}
		seen[m[1]] = true
		e.values[m[1]] = append(e.values[m[1]], m[2])
		text = text[len(m[0]):]
	}
}

func busyMetrics(t testing.TB) (exposition, string) {
	text := bodyOf(t, askPage(t, busyHandler(), "GET", "/?format=prometheus"))
	return parseMetrics(t, text), text
}

func TestMetricsSayWhatThePageSays(t *testing.T) {
	e, _ := busyMetrics(t)
	now := busyPage().Now
	for key, want := range map[string]float64{
		`state{state="SECONDARY"}`: 1, `state{state="PRIMARY"}`: 0, `state{state="FROZEN"}`: 0,
		`state_entered_timestamp_seconds{}`: float64(now.Unix() - 90), `transitions_total{to="PRIMARY"}`: 4, `transitions_total{to="DOWN"}`: 0,
		`epoch{}`: 7, `vetoed{}`: 1, `rpo_zero{}`: 1, `alarms{}`: 1,
		`server_active{server="secondary"}`: 1, `server_active{server="primary"}`: 0,
		`server_health{server="primary",health="dead"}`: 1, `server_health{server="primary",health="ok"}`: 0,
		`server_check_failures{server="primary"}`: 3, `server_check_duration_seconds{server="secondary"}`: 0.0012,
		`server_checked_timestamp_seconds{server="secondary"}`: float64(now.UnixMilli()-250) / 1000,
		`server_read_only{server="primary"}`:                   1, `server_connections{server="secondary"}`: 5,
		`replication_lag_seconds{server="secondary"}`: 4, `replication_error_code{server="primary"}`: 1062,
		`replication_tainted{server="primary"}`: 1, `replication_tainted{server="secondary"}`: 0, `replication_epoch{server="secondary"}`: 7,
		`replication_account_locked{server="primary"}`: 1, `replication_receiving{server="secondary"}`: 1,
		`pool_in_use_connections{}`: 3, `pool_waits_total{}`: 7, `pool_wait_seconds_total{}`: 1.5,
	} {
		if got, ok := e.samples["dbfailover_"+key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}
	if _, ok := e.samples[`dbfailover_replication_lag_seconds{server="primary"}`]; ok {
		t.Error("a lag that is unknown has a value")
	}
}

// OpenMetrics 1.0, "Metric types" and "Units and base units".
func TestMetricNamesAreCorrect(t *testing.T) {
	e, _ := busyMetrics(t)
	if len(e.types) < 20 {
		t.Fatalf("only %d families", len(e.types))
	}
	for name, kind := range e.types {
		if (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, kind)
		}
		if !regexp.MustCompile(`^dbfailover_[a-z]+(_[a-z]+)*$`).MatchString(name) || strings.Contains(name, "milli") || strings.Contains(name, "nano") {
			t.Errorf("%s", name)
		}
	}
}

// A scraper keeps a time series for every combination of labels it has ever seen, so
// what a server or a driver says must be in none; addresses and accounts neither.
func TestLabelsAreFewAndKnown(t *testing.T) {
	e, text := busyMetrics(t)
	known := map[string]int{
		"server": 2, "state": 8, "to": 8, "health": 4, "topology": 1, "timers": 1, "app": 1, "node": 1,
	}
	for label, values := range e.values {
		distinct := map[string]bool{}
		for _, v := range values {
			distinct[v] = true
		}
		if most, ok := known[label]; !ok || len(distinct) > most {
			t.Errorf("label %s has %d values: %q", label, len(distinct), values)
		}
	}
	if strings.Contains(text, "3306") || strings.Contains(text, "1-1-5") || strings.Count(text, "script") != 2 {
		t.Errorf("more than the node's name got in:\n%s", text)
	}
}

func TestLabelValuesAreEscaped(t *testing.T) {
	p := Page{Now: time.Now(), Status: Status{Node: "a\"b\\c\nd}", App: "x"}}
	body := bodyOf(t, askPage(t, newPageHandler(func() Page { return p }), "GET", "/?format=prometheus"))
	e := parseMetrics(t, body)
	if got := e.values["node"]; len(got) != 1 || got[0] != `a\"b\\c\nd}` {
		t.Errorf("node %q", got)
	}
}

// A counter that fell would look like a restart, a missing one like a gap: all states
// are there from the first scrape on.
func TestEveryStateIsCountedFromTheStart(t *testing.T) {
	e := parseMetrics(t, bodyOf(t, askPage(t, newPageHandler(func() Page { return Page{} }), "GET", "/?format=prometheus")))
	states := 0
	for s := StateInit; !strings.HasPrefix(s.String(), "STATE("); s++ {
		states++
		for _, family := range []string{"transitions_total{to=", "state{state="} {
			if _, ok := e.samples[fmt.Sprintf("dbfailover_%s%q}", family, s)]; !ok {
				t.Errorf("no %s%v", family, s)
			}
		}
	}
	for key := range e.samples {
		if strings.Contains(key, "checked_timestamp") || strings.Contains(key, "check_duration") {
			t.Errorf("%s, and nothing was checked", key)
		}
	}
	if states != int(StateFrozen)+1 {
		t.Errorf("there are %d states, and StateFrozen is not the last", states)
	}
}
