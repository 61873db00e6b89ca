package dbfailover

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// judgeProtocol finds answers that the driver did not understand. They prove
// neither health nor failure: see login for one that a healthy server causes.
func judgeProtocol(err error) (Health, string, bool) {
	switch {
	case errors.Is(err, mysql.ErrMalformPkt):
		return HealthUnknown, "malformed packet", true
	case errors.Is(err, mysql.ErrPktSync), errors.Is(err, mysql.ErrPktSyncMul), errors.Is(err, mysql.ErrBusyBuffer):
		return HealthUnknown, "packets out of order", true
	}
	return 0, "", false
}

// longestChain is how many types a reason names.
const longestChain = 8

// unclassified describes an error that no rule knows by its number or the Go types
// it is wrapped in: names from source code, which hold nothing of what happened at
// run time, and enough to write the missing rule.
func unclassified(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return fmt.Sprintf("unclassified error (errno %d)", uintptr(number))
	}
	return "unclassified error (" + strings.Join(types(nil, err), " > ") + ")"
}

// types appends the types of err and of what it wraps, depth first.
func types(chain []string, err error) []string {
	if err == nil || len(chain) == longestChain {
		return chain
	}
	chain = append(chain, fmt.Sprintf("%T", err))
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		chain = types(chain, wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			chain = types(chain, inner)
		}
	}
	return chain
}
