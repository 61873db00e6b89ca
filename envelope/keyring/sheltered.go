package keyring

import (
	"errors"
	"fmt"
	"runtime"
)

var errGone = errors.New("keyring: the call ended its goroutine")

// sheltered calls f, which is somebody else's, and waits for it. A panic becomes
// an error, and so does runtime.Goexit: whoever waits for f must learn of it. What
// was panicked with is not in the error, as it may hold anything, such as a key;
// unless it is the runtime's own.
func sheltered(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errGone
		defer func() {
			switch r := recover().(type) {
			case nil:
			case runtime.Error:
				err = fmt.Errorf("keyring: panic: %w", r)
			default:
				err = fmt.Errorf("keyring: panic with a %T", r)
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}
