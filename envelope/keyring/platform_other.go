//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package keyring

import (
	"errors"
	"fmt"
	"os"
)

// checkPlatform refuses other systems, where the package compiles all the same:
// a mode says nothing there about who may read the file, and a folder cannot be
// made durable.
func checkPlatform() error {
	return fmt.Errorf("keyring: a file needs a Unix file system: %w", errors.ErrUnsupported)
}

func openForReading(string) (*os.File, error) { return nil, checkPlatform() }

func tryLock(*os.File) (bool, error) { return false, checkPlatform() }
