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
)

// File keeps the document in a file that only its owner can read. The folder
// must exist. A symbolic link is followed, and stays. It needs a Unix file
// system: elsewhere its methods answer errors.ErrUnsupported.
//
// Older documents, which only saves that a crash cut off leave behind, go with
// [Keyring.Destroy].
func File(path string) Storage { return file{path, osDisk{}} }

type file struct {
	path string
	disk disk
}

// Load refuses a file that others can read: a keyring that was readable once
// must be taken as known.
func (f file) Load(ctx context.Context) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if err := checkPlatform(); err != nil {
		return nil, "", err
	}
	in, err := openForReading(f.path)
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
	if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%w: %s is no regular file; name the keyring's own", ErrInvalid, f.path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("%w: %s has mode %04o; make it 0600", ErrPermissions, f.path, info.Mode().Perm())
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
	f, unlock, err := f.lockResolved(ctx)
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
	real, err := filepath.EvalSymlinks(f.path)
	if !errors.Is(err, fs.ErrNotExist) {
		return file{real, f.disk}, fileError(err)
	}
	if _, err := os.Lstat(f.path); err == nil {
		return f, fmt.Errorf("%w: %s is a link to nothing; make the keyring where the link shall lead", ErrInvalid, f.path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(f.path))
	return file{filepath.Join(dir, filepath.Base(f.path)), f.disk}, fileError(err)
}

func fileError(err error) error {
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}
