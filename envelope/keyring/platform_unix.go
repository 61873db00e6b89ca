//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keyring

import (
	"errors"
	"os"
	"syscall"
)

func checkPlatform() error { return nil }

// openForReading does not wait for the other end of a named pipe, in a call that
// heeds no context.
func openForReading(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// tryLock takes the lock on f without waiting. The kernel gives it back when
// the process dies, however it dies, so no lock is ever stale.
func tryLock(f *os.File) (taken bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
