package dbfailover

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// Page is what [Connector.Handler] shows, and its JSON.
type Page struct {
	// Status is the Connector's, at the time Now.
	Status
	Now time.Time
	// Pool is sql.DB's view, nil if Handler was not given one.
	Pool *sql.DBStats `json:",omitempty"`
}

// Handler shows what [Connector.Status] knows to people and programs: servers, state,
// epoch, checks with their last reason, replication and its lag, connections,
// transitions. It asks no server and changes nothing.
//
//	?format=html        a page for a phone or a screen, without JavaScript (default)
//	?format=json        a [Page] as encoding/json writes it, durations in nanoseconds
//	?format=prometheus  Prometheus' text format 0.0.4; the names begin with dbfailover_
//	?refresh=5          the page loads itself again every 5 s (1 to 3600)
//
// Without format the Accept header chooses, so Prometheus and curl -H 'Accept:
// application/json' need no parameter. The path is ignored: mount it anywhere.
//
// How many of the connections are in use only the pool knows: give the sql.DB that the
// Connector belongs to, and the page tells that and who waits for one.
//
// The answer is always 200: what a load balancer should ask is [Connector.Ready]. It
// holds addresses, GTID positions and the names of application and node, no accounts,
// no statements, no message of a server. Still it is for administrators: mount it
// behind whatever keeps others out.
//
// Safe for concurrent use, also after Close.
func (c *Connector) Handler(pool ...*sql.DB) http.Handler {
	return newPageHandler(func() Page {
		p := Page{Status: c.Status(), Now: time.Now()}
		for _, db := range pool {
			if db != nil {
				stats := db.Stats()
				p.Pool = &stats
			}
		}
		return p
	})
}

// pageHandler answers from whatever look returns.
type pageHandler struct {
	look   func() Page
	html   *template.Template
	policy string
}

func newPageHandler(look func() Page) *pageHandler {
	// Parsed here rather than at init: who shows no page pays for none. The text is
	// embedded and does not vary, so a test proves that Must cannot panic.
	sum := sha256.Sum256([]byte(pageCSS))
	return &pageHandler{
		look: look,
		html: template.Must(template.New("page").Parse(pageHTML)),
		// The one style sheet is in the page and named by its hash. Were a text ever
		// not escaped, nothing it brings would run, load or send anything.
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// ServeHTTP answers GET and HEAD.
func (h *pageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Security-Policy", h.policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Vary", "Accept")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can be read, nothing else: GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, refresh, err := wanted(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := h.render(f, refresh)
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	if refresh > 0 {
		head.Set("Refresh", strconv.Itoa(refresh))
	}
	head.Set("Content-Type", f.contentType())
	head.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who has gone away needs no answer
}

// wanted reads what the request asks for.
func wanted(r *http.Request) (f format, refresh int, err error) {
	query := r.URL.Query()
	f = negotiate(r.Header.Values("Accept"))
	if name := query.Get("format"); name != "" {
		if f = format(name); !f.known() {
			return f, 0, fmt.Errorf("format: there are %s, %s and %s", formatHTML, formatJSON, formatPrometheus)
		}
	}
	if text := query.Get("refresh"); text != "" {
		if refresh, err = strconv.Atoi(text); err != nil || refresh < 1 || refresh > 3600 {
			return f, 0, fmt.Errorf("refresh: a number of seconds from 1 to 3600")
		}
	}
	return f, refresh, nil
}

// render makes all of the answer before any of it is sent.
func (h *pageHandler) render(f format, refresh int) ([]byte, error) {
	page := h.look()
	var b bytes.Buffer
	switch f {
	case formatJSON:
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		err := encoder.Encode(page)
		return b.Bytes(), err
	case formatPrometheus:
		writeMetrics(&b, page)
		return b.Bytes(), nil
	}
	err := h.html.Execute(&b, newView(page, refresh))
	return b.Bytes(), err
}
