package dbfailover

import (
	"mime"
	"strconv"
	"strings"
)

// format is one of the ways to show a [Page], named as in ?format=.
type format string

const (
	formatHTML       format = "html"
	formatJSON       format = "json"
	formatPrometheus format = "prometheus"
)

func (f format) known() bool { return f == formatHTML || f == formatJSON || f == formatPrometheus }

func (f format) contentType() string {
	switch f {
	case formatJSON:
		return "application/json"
	case formatPrometheus:
		return "text/plain; version=0.0.4; charset=utf-8"
	}
	return "text/html; charset=utf-8"
}

// negotiate chooses by Accept (RFC 9110, section 12.5.1): the format with the highest
// quality, among equals the one named first. Who accepts anything, or nothing that
// there is, gets the page: it is an answer that a person can read.
func negotiate(accept []string) format {
	best, quality := formatHTML, 0.0
	for _, field := range accept {
		for part := range strings.SplitSeq(field, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			if q := weight(params["q"]); q > quality {
				if f, ok := offered(kind); ok {
					best, quality = f, q
				}
			}
		}
	}
	return best
}

func offered(kind string) (format, bool) {
	switch kind {
	case "text/html", "application/xhtml+xml", "text/*", "*/*":
		return formatHTML, true
	case "application/json":
		return formatJSON, true
	case "text/plain":
		// Not application/openmetrics-text as well: a scraper that asks for it takes
		// this too (it has to read exporters that know no other), and one text is
		// one thing to get right.
		return formatPrometheus, true
	}
	return "", false
}

// weight reads a q parameter; what cannot be read counts for nothing.
func weight(q string) float64 {
	if q == "" {
		return 1
	}
	w, err := strconv.ParseFloat(q, 64)
	if err != nil || !(w >= 0 && w <= 1) {
		return 0
	}
	return w
}
