package keyring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lockPause lies between two attempts to take the lock.
const lockPause = 10 * time.Millisecond

// File keeps the document in a file that only its owner can read. The folder
// must exist. A symbolic link is followed, and stays. It needs a Unix file
// system: elsewhere its methods answer errors.ErrUnsupported.
func File(path string) Storage { return file(path) }

type file string

// Load refuses a file that others can read: a keyring that was readable once
// must be taken as known.
func (f file) Load(ctx context.Context) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if err := checkPlatform(); err != nil {
		return nil, "", err
	}
	in, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, "", fmt.Errorf("keyring: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("keyring: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("%w: %s has mode %04o; make it 0600", ErrPermissions, f, info.Mode().Perm())
	}
	doc, err := readDocument(in)
	return doc, revisionOf(doc), err
}

func revisionOf(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// Save writes beside the file and renames over it, both made durable: a crash at
// any point leaves the old document or the new one.
func (f file) Save(ctx context.Context, doc []byte, revision string) error {
	f, err := f.resolve()
	if err != nil {
		return err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	switch _, current, err := f.Load(ctx); {
	case errors.Is(err, ErrNotFound) && revision == "":
	case err != nil:
		return err
	case current != revision:
		return ErrChanged
	}
	if err := f.replace(doc); err != nil {
		return fmt.Errorf("keyring: saving: %w", err)
	}
	return nil
}

// resolve is the file behind symbolic links. A rename over a link would leave two
// documents that grow apart, and a lock beside it would be another lock.
func (f file) resolve() (file, error) {
	real, err := filepath.EvalSymlinks(string(f))
	if !errors.Is(err, fs.ErrNotExist) {
		return file(real), fileError(err)
	}
	if _, err := os.Lstat(string(f)); err == nil {
		return f, fmt.Errorf("%w: %s is a link to nothing; make the keyring where the link shall lead", ErrInvalid, f)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(string(f)))
	return file(filepath.Join(dir, filepath.Base(string(f)))), fileError(err)
}

func fileError(err error) error {
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// lock makes load, compare and rename one step among processes. The lock is a
// file of its own, as the document's inode changes with every save.
func (f file) lock(ctx context.Context) (unlock func(), err error) {
	if err := checkPlatform(); err != nil {
		return nil, err
	}
	l, err := os.OpenFile(string(f)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
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

func (f file) replace(doc []byte) error {
	dir := filepath.Dir(string(f))
	tmp, err := os.CreateTemp(dir, ".keyring-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // of no use once renamed
	_, err = tmp.Write(doc)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), string(f)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
