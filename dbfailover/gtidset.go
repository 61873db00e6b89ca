package dbfailover

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// gtidSet is a MySQL GTID set: for each source the numbers of its transactions. A
// source is a server's UUID, with ":tag" behind it if the transactions have one
// (8.3 and newer). Unlike a MariaDB position it has gaps.
type gtidSet map[string][]span

// span is the numbers from first to last, both included.
type span struct{ first, last uint64 }

// isSet tells the notations apart: MariaDB's has no colon.
func isSet(text string) bool { return strings.Contains(text, ":") }

// parseSet reads "uuid:1-5:9,uuid:1-3:tag:1", as in @@gtid_executed, which also breaks
// its lines. Empty is the set of a server that has nothing.
func parseSet(text string) (gtidSet, error) {
	s := gtidSet{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		uuid, rest, _ := strings.Cut(part, ":")
		if !isUUID(uuid) || rest == "" {
			return nil, fmt.Errorf("dbfailover: %q is no GTID set", text)
		}
		source := strings.ToLower(uuid)
		for item := range strings.SplitSeq(rest, ":") {
			item = strings.ToLower(strings.TrimSpace(item))
			if isTag(item) {
				source = strings.ToLower(uuid) + ":" + item
				continue
			}
			numbers, err := parseSpan(item)
			if err != nil {
				return nil, fmt.Errorf("dbfailover: %q is no GTID set", text)
			}
			s[source] = insert(s[source], numbers)
		}
	}
	return s, nil
}

func parseSpan(text string) (span, error) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 63)
	if err != nil {
		return span{}, err
	}
	last, err := strconv.ParseUint(to, 10, 63)
	if err != nil {
		return span{}, err
	}
	if first == 0 || last < first {
		return span{}, fmt.Errorf("dbfailover: %q is no range", text)
	}
	return span{first, last}, nil
}

// isTag: up to 32 letters, digits and underscores, and no digit first.
func isTag(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c == '_' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// isUUID checks 8-4-4-4-12 hexadecimal digits.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i] | 0x20
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return false
			}
		default:
			if (text[i] < '0' || text[i] > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// insert returns the ranges, in order and without neighbours that touch, with one more.
func insert(ranges []span, n span) []span {
	var kept []span
	for i, r := range ranges {
		switch {
		case r.last+1 < n.first:
			kept = append(kept, r)
		case n.last+1 < r.first:
			return append(append(kept, n), ranges[i:]...)
		default:
			n = span{min(n.first, r.first), max(n.last, r.last)}
		}
	}
	return append(kept, n)
}

// add takes in what q has.
func (s gtidSet) add(q gtidSet) {
	for source, ranges := range q {
		for _, r := range ranges {
			s[source] = insert(s[source], r)
		}
	}
}

// covers reports whether all of q is in s.
func (s gtidSet) covers(q gtidSet) bool {
	for source, ranges := range q {
		for _, want := range ranges {
			if !slices.ContainsFunc(s[source], func(r span) bool { return r.first <= want.first && want.last <= r.last }) {
				return false
			}
		}
	}
	return true
}

// of returns what the server with this UUID wrote, tags and all.
func (s gtidSet) of(uuid string) gtidSet {
	uuid = strings.ToLower(uuid)
	part := gtidSet{}
	for source, ranges := range s {
		if writer, _, _ := strings.Cut(source, ":"); writer == uuid {
			part[source] = ranges
		}
	}
	return part
}

// String is MySQL's notation, sources in order.
func (s gtidSet) String() string {
	var parts []string
	for _, source := range slices.Sorted(maps.Keys(s)) {
		text := source
		for _, r := range s[source] {
			text += ":" + strconv.FormatUint(r.first, 10)
			if r.last > r.first {
				text += "-" + strconv.FormatUint(r.last, 10)
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}
