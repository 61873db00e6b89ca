package dbfailover

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// gtid is one transaction in MariaDB's notation, domain-server-sequence.
type gtid struct {
	domain, server uint32
	sequence       uint64
}

// position is a MariaDB GTID position: the last transaction of each domain. A
// server of the pair has a domain of its own (gtid_domain_id), so what one server
// wrote and what it took over from the other can be told apart.
type position map[uint32]gtid

// parsePosition reads "1-1-100,2-2-57". Empty is the position of an empty log.
func parsePosition(text string) (position, error) {
	p := position{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		g, err := parseGTID(part)
		if err != nil {
			return nil, err
		}
		if p[g.domain].sequence <= g.sequence {
			p[g.domain] = g
		}
	}
	return p, nil
}

func parseGTID(text string) (gtid, error) {
	fields := strings.Split(text, "-")
	if len(fields) != 3 {
		return gtid{}, fmt.Errorf("dbfailover: %q is no GTID", text)
	}
	var numbers [3]uint64
	for i, bits := range []int{32, 32, 64} {
		n, err := strconv.ParseUint(fields[i], 10, bits)
		if err != nil {
			return gtid{}, fmt.Errorf("dbfailover: %q is no GTID", text)
		}
		numbers[i] = n
	}
	return gtid{uint32(numbers[0]), uint32(numbers[1]), numbers[2]}, nil
}

// covers reports whether a server at p has all that q demands.
func (p position) covers(q position) bool {
	for domain, g := range q {
		if p[domain].sequence < g.sequence {
			return false
		}
	}
	return true
}

// of returns the part of p that the server with this id wrote last.
func (p position) of(server uint32) position {
	part := position{}
	for domain, g := range p {
		if g.server == server {
			part[domain] = g
		}
	}
	return part
}

// origin is a server as GTIDs name it.
type origin struct {
	id   uint32 // MariaDB
	uuid string // MySQL; "" where it is MariaDB
}

// covers compares two positions as servers print them, in either notation. One that
// cannot be read is not covered, and covers nothing: it may stand for anything.
func covers(have, want string) bool {
	if isSet(have) || isSet(want) {
		h, err := parseSet(have)
		if err != nil {
			return false
		}
		w, err := parseSet(want)
		return err == nil && h.covers(w)
	}
	h, err := parsePosition(have)
	if err != nil {
		return false
	}
	w, err := parsePosition(want)
	return err == nil && h.covers(w)
}

// written returns the part of a position that this server wrote. What cannot be read
// is returned as it is: nothing covers it.
func written(at string, by origin) string {
	if by.uuid != "" {
		set, err := parseSet(at)
		if err != nil {
			return at
		}
		return set.of(by.uuid).String()
	}
	p, err := parsePosition(at)
	if err != nil {
		return at
	}
	return p.of(by.id).String()
}

// lacks reports whether a server that stands at have misses writes of this origin that
// another server has. Of its own: then it was restored from an old copy, or lost them in
// a crash because its log was not synced.
func lacks(have string, by origin, elsewhere string) bool {
	return !covers(have, "") || !covers(have, written(elsewhere, by))
}

// String is MariaDB's notation, domains in order.
func (p position) String() string {
	var parts []string
	for _, domain := range slices.Sorted(maps.Keys(p)) {
		g := p[domain]
		parts = append(parts, fmt.Sprintf("%d-%d-%d", g.domain, g.server, g.sequence))
	}
	return strings.Join(parts, ",")
}
