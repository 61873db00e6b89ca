package dbfailover

import "testing"

func TestPositionsAreComparedByDomain(t *testing.T) {
	for _, c := range []struct {
		have, want string
		covers     bool
	}{
		{"", "", true},
		{"1-1-5", "", true},
		{"", "1-1-1", false},
		{"1-1-5,2-2-7", "2-2-7,1-1-5", true},
		{"1-1-5,2-2-7", "1-2-4", true}, // the domain counts, whoever wrote last in it
		{"1-1-5,2-2-7", "1-1-6", false},
		{"1-1-5", "3-1-1", false},
		{"2-2-50,2-2-51", "2-2-51", true}, // the later of two
		{"2-2-51,2-2-50", "2-2-51", true},
		{" 1-1-5 , 2-2-7,", "1-1-5", true},
		{"1-1-5", "nonsense", false},
		{"nonsense", "", false},
		{"1-1", "", false},
		{"1-1-18446744073709551616", "", false},
	} {
		if got := covers(c.have, c.want); got != c.covers {
			t.Errorf("%q covers %q: %v", c.have, c.want, got)
		}
	}
}

func TestAServerThatLostItsOwnWritesIsFound(t *testing.T) {
	for _, c := range []struct {
		have      string
		elsewhere string
		lacks     bool
	}{
		{"1-1-10,2-2-5", "1-1-10,2-2-9", false}, // merely behind the other
		{"1-1-10,2-2-5", "1-1-11,2-2-5", true},
		{"1-1-10", "1-2-11", false}, // in its domain, but not its own
		{"", "1-1-1", true},
		{"", "", false},
		{"?", "", true},
		{"1-1-1", "?", true},
	} {
		if got := lacks(c.have, origin{id: 1}, c.elsewhere); got != c.lacks {
			t.Errorf("at %q, elsewhere %q: %v", c.have, c.elsewhere, got)
		}
	}
}
