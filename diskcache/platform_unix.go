//go:build darwin || freebsd || linux

package diskcache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// isFull reports whether err says that there is no space left, be it the
// disk's or the user's quota.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// tryLock takes the lock on f without waiting. The kernel gives it back when
// the process dies, however it dies, so no lock is ever stale. It belongs to
// the open file, so a second Open in this process is refused as well.
func tryLock(f *os.File) (taken bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlock does not leave it to closing the file: a child that is just being started has
// the file open as well, until it executes its program, and with it the lock.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// owner returns the numeric user id that owns the file.
func owner(info fs.FileInfo) (int, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// statfs returns the size of the file system that f is on, and what is free for
// ordinary users, in bytes.
func statfs(f *os.File) (total, free int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}
