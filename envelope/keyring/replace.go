package keyring

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// disk is what a file is replaced with, step by step, so that a test can cut
// between any two.
type disk interface {
	create(dir, pattern string) (temporary, error) // mode 0600
	rename(from, to string) error
	sync(dir string) error
}

type temporary interface {
	io.WriteCloser
	Sync() error
	Name() string
}

// replace makes the new document durable before its name leads to it, and the
// name before it returns: the rename of a file that is not synced can survive a
// power failure that its content does not.
func (f file) replace(doc []byte) error {
	dir := filepath.Dir(f.path)
	tmp, err := f.disk.create(dir, f.leftoverPrefix()+"*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // of no use once renamed
	_, err = tmp.Write(doc)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := f.disk.rename(tmp.Name(), f.path); err != nil {
		return err
	}
	return f.disk.sync(dir)
}

type osDisk struct{}

func (osDisk) create(dir, pattern string) (temporary, error) { return os.CreateTemp(dir, pattern) }

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
