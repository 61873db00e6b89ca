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

// negotiate chooses by Accept (RFC 9110, section 12.5.1): the format whose most specific
// range has the highest quality, among equals the one named first. Who accepts nothing that
// there is gets the page: it is an answer that a person can read.
func negotiate(accept []string) format {
	ranges := acceptable(accept)
	best, quality, place := formatHTML, 0.0, 0
	for _, f := range []format{formatHTML, formatJSON, formatPrometheus} {
		r, ok := f.matched(ranges)
		if ok && (r.weight > quality || r.weight == quality && quality > 0 && r.place < place) {
			best, quality, place = f, r.weight, r.place
		}
	}
	return best
}

// mediaRange is one of Accept's, with its place there.
type mediaRange struct {
	kind   string
	weight float64
	place  int
}

func acceptable(accept []string) (ranges []mediaRange) {
	for _, field := range accept {
		for part := range strings.SplitSeq(field, ",") {
			if kind, params, err := mime.ParseMediaType(part); err == nil {
				ranges = append(ranges, mediaRange{kind, weight(params["q"]), len(ranges)})
			}
		}
	}
	return ranges
}

// matched returns the most specific range for the format.
func (f format) matched(ranges []mediaRange) (best mediaRange, ok bool) {
	for _, kind := range f.ranges() {
		for _, r := range ranges {
			if r.kind == kind {
				return r, true
			}
		}
	}
	return best, false
}

// ranges are what asks for the format, the most specific first.
func (f format) ranges() []string {
	switch f {
	case formatJSON:
		return []string{"application/json", "application/*", "*/*"}
	case formatPrometheus:
		// Not application/openmetrics-text as well: a scraper that asks for it takes
		// this too (it has to read exporters that know no other), and one text is
		// one thing to get right.
		return []string{"text/plain", "text/*", "*/*"}
	}
	return []string{"text/html", "application/xhtml+xml", "text/*", "*/*"}
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
