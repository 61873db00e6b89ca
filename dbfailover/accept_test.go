package dbfailover

import "testing"

// RFC 9110, 12.5.1: what is refused by q=0 is not covered by a wild card.
func TestAcceptKnowsRefusalsAndWildCards(t *testing.T) {
	for accept, want := range map[string]format{
		"application/*":                         formatJSON,
		"text/html;q=0, */*":                    formatJSON,
		"text/html;q=0.1, application/json;q=0": formatHTML,
	} {
		if got := negotiate([]string{accept}); got != want {
			t.Errorf("%s: %s, want %s", accept, got, want)
		}
	}
}
