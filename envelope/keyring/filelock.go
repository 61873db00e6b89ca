package keyring

import (
	"context"
	"fmt"
	"os"
	"time"
)

// lockPause lies between two attempts to take the lock.
const lockPause = 10 * time.Millisecond

func (f file) lockResolved(ctx context.Context) (_ file, unlock func(), err error) {
	if f, err = f.resolve(); err != nil {
		return f, nil, err
	}
	unlock, err = f.lock(ctx)
	return f, unlock, err
}

// lock makes load, compare and rename one step among processes. The lock is a
// file of its own, as the document's inode changes with every save.
func (f file) lock(ctx context.Context) (unlock func(), err error) {
	if err := checkPlatform(); err != nil {
		return nil, err
	}
	l, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if err := waitForLock(ctx, l); err != nil {
		l.Close()
		return nil, fmt.Errorf("keyring: locking: %w", err)
	}
	return func() { l.Close() }, nil
}

// waitForLock tries again and again, since the call that waits heeds no context.
func waitForLock(ctx context.Context, l *os.File) error {
	pause := time.NewTicker(lockPause)
	defer pause.Stop()
	for {
		if taken, err := tryLock(l); taken || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
