package dbfailover

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	uuidOne = "7246fb23-e750-11f1-b3e9-02fc00000001"
	uuidTwo = "7462d98e-e750-11f1-a3d8-02fc00000001"
)

func TestSetsAreComparedByTheirTransactions(t *testing.T) {
	for _, c := range []struct {
		have, want string
		covers     bool
	}{
		{"", uuidOne + ":1", false},
		{uuidOne + ":1-5", "", true},
		{uuidOne + ":1-5", uuidOne + ":2-4", true},
		{uuidOne + ":1-5", uuidOne + ":6", false},
		{uuidOne + ":1-2:4-5", uuidOne + ":1-5", false}, // a gap
		{uuidOne + ":1-2:3:4-5", uuidOne + ":1-5", true},
		{uuidOne + ":4-5:1-3", uuidOne + ":1-5", true},
		{uuidOne + ":1-5,\n" + uuidTwo + ":1-7", uuidTwo + ":7," + uuidOne + ":1", true},
		{strings.ToUpper(uuidOne) + ":1-5", uuidOne + ":1-5", true},
		{uuidOne + ":1-5:tag:1-2", uuidOne + ":tag:2", true},
		{uuidOne + ":1-5:tag:1-2", uuidOne + ":tag:3", false},
		{uuidOne + ":1-5", uuidOne + ":tag:1", false},
		{uuidOne + ":1-5," + uuidOne + ":6-7", uuidOne + ":1-7", true},
		{uuidOne + ":1-9223372036854775806", uuidOne + ":5", true},
		// A server of another flavour, and what is no set.
		{"1-1-5", uuidOne + ":1", false},
		{uuidOne + ":1", "1-1-5", false},
		{uuidOne + ":5-1", "", false},
		{uuidOne + ":0", "", false},
		{uuidOne + ":", "", false},
		{uuidOne + ":x-1", "", false},
		{uuidOne[1:] + ":1", "", false},
		{strings.Replace(uuidOne, "-", "+", 1) + ":1", "", false},
		{strings.Replace(uuidOne, "7", "g", 1) + ":1", "", false},
		{uuidOne + ":1-9223372036854775808", "", false},
	} {
		if got := covers(c.have, c.want); got != c.covers {
			t.Errorf("%q covers %q: %v", c.have, c.want, got)
		}
	}
}

func TestAMySQLServerThatLostItsOwnWritesIsFound(t *testing.T) {
	me := origin{id: 1, uuid: uuidOne}
	for _, c := range []struct {
		have, elsewhere string
		lacks           bool
	}{
		{uuidOne + ":1-10," + uuidTwo + ":1-5", uuidOne + ":1-10," + uuidTwo + ":1-9", false}, // merely behind
		{uuidOne + ":1-10", uuidOne + ":1-11", true},
		{uuidOne + ":1-8:10-12", uuidOne + ":1-11", true}, // it has given other numbers since
		{uuidOne + ":1-10", uuidOne + ":1-10:tag:1", true},
		{"", uuidOne + ":1", true},
		{"", uuidTwo + ":1", false},
		{"", "", false},
		{"nonsense:", "", true},
		{uuidOne + ":1", "nonsense:", true},
	} {
		if got := lacks(c.have, me, c.elsewhere); got != c.lacks {
			t.Errorf("at %q, elsewhere %q: %v", c.have, c.elsewhere, got)
		}
	}
	if got := written(uuidTwo+":1-3,"+uuidOne+":5:1-2:tag:9", me); got != uuidOne+":1-2:5,"+uuidOne+":tag:9" {
		t.Errorf("wrote %q", got)
	}
}

// model is a set of transactions as anybody would write it down.
type model map[string]bool

func (m model) covers(q model) bool {
	for name := range q {
		if !m[name] {
			return false
		}
	}
	return true
}

// Sets of ranges answer as sets of single transactions do, through printing and reading.
func TestSetsAreAsTheirModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sources := []string{uuidOne, uuidTwo, uuidOne + ":a_tag"}
	draw := func() (string, model) {
		var parts []string
		m := model{}
		for range rng.IntN(6) {
			source := sources[rng.IntN(len(sources))]
			first := 1 + rng.IntN(12)
			last := first + rng.IntN(5)
			text := fmt.Sprintf("%s:%d-%d", source, first, last)
			if first == last {
				text = fmt.Sprintf("%s:%d", source, first)
			}
			parts = append(parts, text)
			for n := first; n <= last; n++ {
				m[fmt.Sprintf("%s:%d", source, n)] = true
			}
		}
		return strings.Join(parts, ",\n"), m
	}
	for range 20000 {
		a, modelA := draw()
		b, modelB := draw()
		setA, err := parseSet(a)
		must(t, err)
		setB, err := parseSet(b)
		must(t, err)
		if got, want := setA.covers(setB), modelA.covers(modelB); got != want {
			t.Fatalf("%q covers %q: %v", a, b, got)
		}
		again, err := parseSet(setA.String())
		must(t, err)
		if !again.covers(setA) || !setA.covers(again) || again.String() != setA.String() {
			t.Fatalf("%q reads back as %q", setA, again)
		}
		for name := range modelA {
			one, err := parseSet(name)
			must(t, err)
			if got, want := setA.of(uuidOne).covers(one), strings.HasPrefix(name, uuidOne); got != want {
				t.Fatalf("%q is of %s: %v", name, uuidOne, got)
			}
		}
		setA.add(setB)
		for name := range modelB {
			modelA[name] = true
		}
		whole := gtidSet{}
		for name := range modelA {
			one, err := parseSet(name)
			must(t, err)
			whole.add(one)
		}
		if setA.String() != whole.String() {
			t.Fatalf("%q and %q make %q, by the model %q", a, b, setA, whole)
		}
	}
}
