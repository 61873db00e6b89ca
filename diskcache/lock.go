package diskcache

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// takeLock locks the folder for this process, or says who has it. Two things are
// locked: the folder itself, since somebody who cleans up may delete the lock file,
// and the file, which names the holder, and which alone counts where the file system
// has no locks on folders (over NFS).
func (fo *folder) takeLock() error {
	dir, err := fo.root.Open(".")
	if err != nil {
		return err
	}
	switch taken, err := tryLock(dir); {
	case taken:
		fo.locks = append(fo.locks, dir)
	case err == nil:
		_ = dir.Close()
		return fo.heldBy()
	default:
		_ = dir.Close()
	}
	f, err := fo.root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	taken, err := tryLock(f)
	if err != nil || !taken {
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("diskcache: cannot lock the folder: %w", err)
		}
		return fo.heldBy()
	}
	fo.locks = append(fo.locks, f)
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// heldBy is the error that names the holder, as far as he can be known.
func (fo *folder) heldBy() error {
	holder := "another process"
	if f, err := fo.root.Open(lockName); err == nil {
		defer f.Close()
		if text, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(text) > 0 {
			holder = "process " + strings.TrimSpace(string(text))
		}
	}
	return fmt.Errorf("%w: %s has it open; stop that, or give each process a folder of its own", ErrLocked, holder)
}
