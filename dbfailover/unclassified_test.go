package dbfailover

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

type tunnelError struct{ patient string }

func (e tunnelError) Error() string { return "tunnel: " + e.patient }

func TestUnknownErrorIsNamedByTypeOrNumberAndNothingElse(t *testing.T) {
	deep := error(tunnelError{"PATIENT NAME"})
	for range 20 {
		deep = fmt.Errorf("PATIENT NAME: %w", deep)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{tunnelError{"PATIENT NAME"}, "unclassified error (dbfailover.tunnelError)"},
		{wrap(tunnelError{}), "unclassified error (*fmt.wrapError > dbfailover.tunnelError)"},
		{errors.Join(tunnelError{}, errors.New("PATIENT NAME")),
			"unclassified error (*errors.joinError > dbfailover.tunnelError > *errors.errorString)"},
		{dialError(syscall.Errno(95)), "unclassified error (errno 95)"},
		{deep, "unclassified error (*fmt.wrapError > *fmt.wrapError > *fmt.wrapError > *fmt.wrapError" +
			" > *fmt.wrapError > *fmt.wrapError > *fmt.wrapError > *fmt.wrapError)"},
	} {
		if health, reason := judge(c.err); health != HealthUnknown || reason != c.want {
			t.Errorf("%T: %v, %q, want %q", c.err, health, reason, c.want)
		}
	}
}
