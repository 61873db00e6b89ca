package dbfailover

import (
	"database/sql"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// busyPage is a page on which everything there is to show is shown, in texts as hostile
// as a server or a configuration could make them.
func busyPage() Page {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const hostile = `</style><script>alert(1)</script>"'&`
	p := Page{
		Now: now, Pool: &sql.DBStats{InUse: 3, Idle: 2, MaxOpenConnections: 10, WaitCount: 7, WaitDuration: 1500 * time.Millisecond},
		Status: Status{
			Topology: "replicated", Timers: "careful", State: StateSecondary, Active: Secondary, Epoch: 7,
			Since: now.Add(-90 * time.Second), Reason: hostile, App: "clinic", Node: hostile, RPOZero: true, Vetoed: true,
			Alarms: []string{"primary: " + hostile}, Entered: map[State]uint64{StateInit: 1, StatePrimary: 4, StateSecondary: 3},
			Recent: []Transition{
				{From: StateInit, To: StatePrimary, Epoch: 6, At: now.Add(-50 * time.Hour), Reason: "the first of them"},
				{From: StatePromoting, To: StateSecondary, Active: Secondary, Epoch: 7, At: now.Add(-90 * time.Second), Reason: hostile},
			},
		},
	}
	for role := range p.Servers {
		p.Servers[role] = ServerStatus{
			Role: Role(role), Addr: "db-with-a-long-name-in-availability-zone-b.internal.example:3306", Health: HealthOK, Reason: "ok",
			Checked: now.Add(-250 * time.Millisecond), RoundTrip: 1200 * time.Microsecond, Connections: 5,
			Replication: &Replication{
				ServerID: uint32(role + 1), Position: "1-1-184467440737095516,2-2-184467440737095516,3-3-99", Epoch: 7, EpochServer: 2,
				Receiving: true, Applying: true, Lag: 4,
			},
		}
	}
	bad := &p.Servers[Primary]
	bad.Health, bad.Reason, bad.Failures, bad.ReadOnly = HealthDead, hostile, 3, true
	*bad.Replication = Replication{Locked: true, Lag: -1, Error: 1062, Quarantined: true, Tail: "2 transactions, 1-1-5 to 1-1-6; " + hostile}
	return p
}

// ask requests the page as a browser or a program would.
func askPage(t testing.TB, h http.Handler, method, target string, accept ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Header["Accept"] = accept
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func busyHandler() http.Handler { return newPageHandler(busyPage) }

func TestPageCanOnlyBeRead(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"} {
		r := askPage(t, busyHandler(), method, "/?format=json")
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" || strings.Contains(bodyOf(t, r), "SECONDARY") {
			t.Errorf("%s: %v", method, r.Status)
		}
	}
}

// Over a real connection, HEAD has the headers of GET and no body.
func TestHeadIsGetWithoutItsBody(t *testing.T) {
	s := httptest.NewServer(busyHandler())
	defer s.Close()
	for _, f := range []format{formatHTML, formatJSON, formatPrometheus} {
		get, err := http.Get(s.URL + "/?format=" + string(f))
		must(t, err)
		defer get.Body.Close()
		head, err := http.Head(s.URL + "/?format=" + string(f))
		must(t, err)
		defer head.Body.Close()
		if head.StatusCode != 200 || len(bodyOf(t, head)) != 0 || head.ContentLength != get.ContentLength || int(get.ContentLength) != len(bodyOf(t, get)) {
			t.Errorf("%s: HEAD %v of %d bytes, GET of %d", f, head.Status, head.ContentLength, get.ContentLength)
		}
	}
}

// What shows the state of a database must not be cached, framed, sniffed into another
// type or run anything; also in its refusals.
func TestEveryAnswerIsGuarded(t *testing.T) {
	for _, request := range [][2]string{{"GET", "/"}, {"GET", "/?format=json"}, {"GET", "/?format=prometheus"}, {"POST", "/"}, {"GET", "/?format=x"}} {
		r := askPage(t, busyHandler(), request[0], request[1])
		policy := r.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "style-src 'sha256-", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%v: the policy %q lacks %s", request, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || r.Header.Get("Cache-Control") != "no-store" ||
			r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Vary") != "Accept" {
			t.Errorf("%v: %v", request, r.Header)
		}
	}
}

func TestFormatIsChosenByParameterThenByAccept(t *testing.T) {
	const scraper = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
		"text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	for _, c := range []struct {
		target string
		accept []string
		want   format
	}{
		{"/", nil, formatHTML},
		{"/any/path", []string{"*/*"}, formatHTML},
		{"/", []string{browser}, formatHTML},
		{"/", []string{"application/json"}, formatJSON},
		{"/", []string{"application/json, text/plain, */*"}, formatJSON},
		{"/", []string{"text/html;q=0.5", "application/json;q=0.9"}, formatJSON},
		{"/", []string{"application/json;q=0, text/plain;version=0.0.4"}, formatPrometheus},
		{"/", []string{scraper}, formatPrometheus},
		{"/", []string{"application/json;q=7, image/png, ;;;, text/plain;q=x"}, formatHTML},
		{"/?format=prometheus", []string{browser}, formatPrometheus},
		{"/?format=json", []string{browser}, formatJSON},
		{"/?format=html", []string{"application/json"}, formatHTML},
	} {
		r := askPage(t, busyHandler(), "GET", c.target, c.accept...)
		if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != c.want.contentType() {
			t.Errorf("%s, Accept %q: %v, %s; want %s", c.target, c.accept, r.Status, got, c.want)
		}
	}
}

func TestUnknownParametersAreRefused(t *testing.T) {
	for _, target := range []string{"/?format=xml", "/?format=HTML", "/?refresh=0", "/?refresh=3601", "/?refresh=-5", "/?refresh=5%3Burl%3Dx"} {
		if r := askPage(t, busyHandler(), "GET", target); r.StatusCode != http.StatusBadRequest || r.Header.Get("Refresh") != "" {
			t.Errorf("%s: %v, %v", target, r.Status, r.Header)
		}
	}
	if r := askPage(t, busyHandler(), "GET", "/?refresh=5"); r.Header.Get("Refresh") != "5" || !strings.Contains(bodyOf(t, r), "every 5 s") {
		t.Errorf("refresh is not there: %v", r.Header)
	}
}

// node is an element, or a text.
type node struct {
	name  string
	attrs map[string]string
	text  string
}

// parsePage reads the page as XML, which it is but for the tags that never close.
func parsePage(t testing.TB, page string) (nodes []node) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page does not parse: %v\n%s", err, page)
		}
		switch e := token.(type) {
		case xml.StartElement:
			n := node{name: e.Name.Local, attrs: map[string]string{}}
			for _, a := range e.Attr {
				n.attrs[a.Name.Local] = a.Value
			}
			nodes, open = append(nodes, n), append(open, e.Name.Local)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			nodes = append(nodes, node{text: string(e)})
		}
	}
	if len(open) > 0 {
		t.Fatalf("never closed: %v", open)
	}
	return nodes
}

// Texts that want to be markup stay texts, and nothing is fetched from anywhere.
func TestPageRunsAndLoadsNothing(t *testing.T) {
	page := bodyOf(t, askPage(t, busyHandler(), "GET", "/"))
	allowed := strings.Fields("html head meta title style body header h1 h2 span p time main section ul li table caption thead tbody tr th td footer a")
	for _, n := range parsePage(t, page) {
		if n.name != "" && !slices.Contains(allowed, n.name) {
			t.Errorf("an element <%s>", n.name)
		}
		for name, value := range n.attrs {
			if strings.HasPrefix(name, "on") || name == "src" || name == "style" || name == "href" && !strings.HasPrefix(value, "?") {
				t.Errorf("<%s %s=%q>", n.name, name, value)
			}
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(pageCSS, "url(") || strings.Contains(pageCSS, "@import") {
		t.Error("it runs or loads something")
	}
}

// Who hears the page instead of seeing it needs its language, its title, a name for each
// table, and to know which header a cell belongs to.
func TestPageCanBeHeard(t *testing.T) {
	nodes := parsePage(t, bodyOf(t, askPage(t, busyHandler(), "GET", "/")))
	tables, captions := 0, 0
	for _, n := range nodes {
		switch n.name {
		case "html":
			if n.attrs["lang"] != "en" {
				t.Error("no language")
			}
		case "table":
			tables++
		case "caption":
			captions++
		case "th":
			if s := n.attrs["scope"]; s != "row" && s != "col" {
				t.Errorf("a header of what? %v", n.attrs)
			}
		}
	}
	if tables != 3 || captions != tables {
		t.Errorf("%d tables with %d captions", tables, captions)
	}
	if !strings.Contains(pageCSS, "prefers-color-scheme: dark") {
		t.Error("it is never dark")
	}
}

func TestPageShowsWhatIsKnown(t *testing.T) {
	var text strings.Builder
	for _, n := range parsePage(t, bodyOf(t, askPage(t, busyHandler(), "GET", "/"))) {
		text.WriteString(strings.TrimSpace(n.text) + "|")
	}
	for _, part := range []string{
		"|SECONDARY|", "secondary server, epoch 7, for 1 min: </style><script>alert(1)", "Application clinic, node", "|vetoed: other web nodes",
		"|primary: </style>", "dead: </style>", "|Lag||unknown||4 s|", "no: error 1062", "2 transactions, 1-1-5 to 1-1-6", "|locked||open|",
		"PROMOTING to SECONDARY, secondary, epoch 7", "2 days ago", "PRIMARY 4, SECONDARY 3", "|In use||3|", "7, 1.5s in all", "(rpo=0): yes", "1.2 ms",
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("%q is missing in\n%s", part, &text)
		}
	}
	if s := text.String(); strings.Index(s, "the first of them") < strings.Index(s, "PROMOTING to") {
		t.Error("the newest transition is not the first")
	}
}

func TestJSONIsThePage(t *testing.T) {
	var got struct {
		State, Active, App, Node, Reason string
		Epoch                            uint64
		Now                              time.Time
		Alarms                           []string
		Entered                          map[string]uint64
		Recent                           []struct{ From, To, Reason string }
		Pool                             *struct{ InUse, Idle int }
		Servers                          []struct {
			Role, Health string
			Replication  *struct{ Lag int }
		}
	}
	want := busyPage()
	if err := json.Unmarshal([]byte(bodyOf(t, askPage(t, busyHandler(), "GET", "/", "application/json"))), &got); err != nil {
		t.Fatal(err)
	}
	if got.State != "SECONDARY" || got.Active != "secondary" || got.Epoch != 7 || !got.Now.Equal(want.Now) || got.Reason != want.Reason ||
		len(got.Alarms) != 1 || got.Entered["PRIMARY"] != 4 || len(got.Recent) != 2 || got.Recent[1].To != "SECONDARY" ||
		got.Pool == nil || got.Pool.InUse != 3 || len(got.Servers) != 2 || got.Servers[0].Health != "dead" || got.Servers[1].Replication.Lag != 4 {
		t.Errorf("%+v", got)
	}
}

// A page without replication, pool or history is the first minute of every process.
func TestPageOfTheFirstMoment(t *testing.T) {
	first := func() Page { return Page{Now: time.Now(), Status: Status{Topology: "independent", Timers: "fast"}} }
	for _, f := range []string{"html", "json", "prometheus"} {
		r := askPage(t, newPageHandler(first), "GET", "/?format="+f)
		if body := bodyOf(t, r); r.StatusCode != 200 || !strings.Contains(body, "INIT") || strings.Contains(body, "NaN") || strings.Contains(body, "<no value>") {
			t.Errorf("%s: %v\n%s", f, r.Status, body)
		}
	}
}

// The handler of a Connector tells what goes on in it, and goes on telling after Close.
func TestHandlerFollowsTheConnector(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		h := r.c.Handler(r.db)
		r.mustBe(t, StatePrimary, "db1.test")
		held, err := r.db.Conn(t.Context())
		must(t, err)
		text := bodyOf(t, askPage(t, h, "GET", "/?format=prometheus"))
		for _, line := range []string{
			`dbfailover_state{state="PRIMARY"} 1`, `dbfailover_server_connections{server="primary"} 1`, "dbfailover_pool_in_use_connections 1",
			`dbfailover_server_health{server="secondary",health="ok"} 1`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("no %s in\n%s", line, text)
			}
		}
		must(t, held.Close())
		r.servers[0].kill()
		time.Sleep(time.Second)
		page := bodyOf(t, askPage(t, h, "GET", "/"))
		if !strings.Contains(page, "PRIMARY to SUSPECT") || !strings.Contains(page, "SUSPECT to SECONDARY") || !strings.Contains(page, "dead: ") {
			t.Error(page)
		}
		for _, secret := range []string{"hunter2", "PATIENT", "app@"} {
			if strings.Contains(page, secret) {
				t.Errorf("the page says %s", secret)
			}
		}
		must(t, r.c.Close())
		if got := askPage(t, r.c.Handler(nil), "GET", "/?format=json"); got.StatusCode != 200 || strings.Contains(bodyOf(t, got), `"Pool"`) {
			t.Errorf("after Close: %v", got.Status)
		}
	})
}

func TestTimesReadAsAPersonSaysThem(t *testing.T) {
	now := time.Now()
	for d, want := range map[time.Duration]string{
		-time.Hour: "0.0 s", 0: "0.0 s", 1500 * time.Millisecond: "1.5 s", 59 * time.Second: "59.0 s",
		time.Minute: "1 min", 61 * time.Minute: "1 h", 47 * time.Hour: "47 h", 49 * time.Hour: "2 days",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v ago is %q, want %q", d, got, want)
		}
	}
	if ago(now, time.Time{}) != "never" {
		t.Error("what never happened has an age")
	}
	if fmt.Sprint(lag(-1)) == fmt.Sprint(lag(0)) {
		t.Error("no lag and an unknown one look the same")
	}
}
