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
	"syscall"
)

// File keeps the document in a file that only its owner can read. The folder
// must exist.
func File(path string) Storage { return file(path) }

type file string

// Load refuses a file that others can read: a keyring that was readable once
// must be taken as known.
func (f file) Load(ctx context.Context) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
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
	unlock, err := f.lock()
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

// lock makes load, compare and rename one step among processes. The lock is a
// file of its own, as the document's inode changes with every save.
func (f file) lock() (unlock func(), err error) {
	l, err := os.OpenFile(string(f)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX); err != nil {
		l.Close()
		return nil, fmt.Errorf("keyring: locking: %w", err)
	}
	return func() { l.Close() }, nil
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
