package dbfailover

import (
	"context"
	"errors"
	"syscall"
)

// commit is the application's: nothing tells the server who sends it but the lock.
func (l *simLink) commit(ctx context.Context, row string) error {
	thread := &simThread{simCommit: simCommit{row: row, server: l.i}}
	err := l.do(ctx, func(s *simServer) error {
		if s.locked {
			return refusal(errAccountLocked)
		}
		if s.full {
			thread.epoch = s.top().number
			s.waiting = append(s.waiting, thread)
			return errFull
		}
		s.own = append(s.own, simEntry{row: row})
		s.rows[row] = true
		l.world.commits = append(l.world.commits, simCommit{row: row, server: l.i, epoch: s.top().number})
		return nil
	})
	if errors.Is(err, errFull) {
		err = l.wait(ctx, thread)
	}
	if err == nil {
		l.world.set(func() {
			for i := len(l.world.commits) - 1; i >= 0; i-- {
				if l.world.commits[i].row == row {
					l.world.commits[i].acked = true
					break
				}
			}
		})
	}
	return err
}

// wait is what a client sees of a commit that waits for the disk.
func (l *simLink) wait(ctx context.Context, thread *simThread) error {
	w := l.world
	w.mu.Lock()
	boots := w.servers[l.i].boots
	w.mu.Unlock()
	for {
		w.mu.Lock()
		changed, gone := w.changed, w.servers[l.i].boots != boots || thread.killed || l.cut()
		ended := thread.ended
		w.mu.Unlock()
		if gone {
			return syscall.ECONNRESET
		}
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
