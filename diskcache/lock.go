package diskcache

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// takeLock locks the folder for this process, or says who has it.
func (fo *folder) takeLock() error {
	f, err := fo.root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	taken, err := tryLock(f)
	if err != nil || !taken {
		defer f.Close()
		if err != nil {
			return fmt.Errorf("diskcache: cannot lock the folder: %w", err)
		}
		holder := "another process"
		if text, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(text) > 0 {
			holder = "process " + strings.TrimSpace(string(text))
		}
		return fmt.Errorf("%w: %s has it open; stop that, or give each process a folder of its own", ErrLocked, holder)
	}
	fo.lock = f
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
