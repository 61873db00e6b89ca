//go:build !(darwin || freebsd || linux)

package diskcache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// On other systems the package compiles, so that an application can be
// developed there, and Open refuses: it could neither lock the folder nor
// tell who else may write to it.

func isFull(error) bool { return false }

func tryLock(*os.File) (bool, error) {
	return false, fmt.Errorf("diskcache: needs a Unix file system: %w", errors.ErrUnsupported)
}

func unlock(*os.File) error { return nil }

func owner(fs.FileInfo) (int, bool) { return 0, false }

func statfs(*os.File) (total, free int64, err error) { return 0, 0, errors.ErrUnsupported }
