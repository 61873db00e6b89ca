package testbed

import (
	"fmt"
	"strings"
	"testing"
)

// verdict records how a helper ended its test.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (v *verdict) Helper()                      {}
func (v *verdict) Skipf(f string, args ...any)  { v.skipped = fmt.Sprintf(f, args...) }
func (v *verdict) Fatalf(f string, args ...any) { v.failed = fmt.Sprintf(f, args...) }

func TestMissingServerSkipsAndNamesWhatIsMissing(t *testing.T) {
	t.Setenv(RequireVar, "")
	v := &verdict{TB: t}
	RequireOrSkip(v, "frobnicatord")
	if v.failed != "" || !strings.Contains(v.skipped, "frobnicatord") {
		t.Fatalf("skipped %q, failed %q", v.skipped, v.failed)
	}
}

func TestMissingServerFailsWhereServersAreRequired(t *testing.T) {
	t.Setenv(RequireVar, "1")
	v := &verdict{TB: t}
	RequireOrSkip(v, "frobnicatord")
	if v.skipped != "" || !strings.Contains(v.failed, "frobnicatord") {
		t.Fatalf("skipped %q, failed %q", v.skipped, v.failed)
	}
}
