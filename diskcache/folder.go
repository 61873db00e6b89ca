package diskcache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The folder of a cache, which belongs to it alone, holds
//
//	CACHEDIR.TAG  marker: two lines, the second with the version of the format
//	lock          locked while the cache is open; the holder's process id
//	key           the wrapped cache key, if there is a KeyWrapper
//	groups        the secrets of groups, see secrets.go
//	boot          where sequence numbers begin, see boot.go
//	*.seg         segments, see header.go, record.go and block.go
//	*.drops       what was dropped, see drops.go
//	*.tmp         one of the above, not yet complete
//
// The marker is a Cache Directory Tag (https://bford.info/cachedir/), so that
// backup programs leave the folder out: an old copy of a cache is of use to
// nobody but an attacker. Every later version of the format keeps to these
// names.
const (
	markerName = "CACHEDIR.TAG"
	markerTag  = "Signature: 8a477f597d28d172789f06886806bc55\n"
	markerText = "# hipaakit diskcache format "
	lockName   = "lock"
	keyName    = "key"
	tempSuffix = ".tmp"

	maxMarker = 4 << 10
)

// folder is an opened, checked and locked folder.
type folder struct {
	root  *os.Root
	locks []*os.File
}

// openFolder creates or checks the folder. version is the format's that is
// there, 0 in a new folder.
func openFolder(dir string) (fo *folder, version int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("diskcache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("diskcache: %w", err)
	}
	fo = &folder{root: root}
	if version, err = fo.prepare(); err != nil {
		_ = fo.close()
		return nil, 0, fmt.Errorf("%w (folder %s)", err, dir)
	}
	return fo, version, nil
}

// prepare checks before it writes anything: in a folder that is not ours, not
// even a lock file may appear.
func (fo *folder) prepare() (version int, err error) {
	info, err := fo.root.Stat(".")
	if err != nil {
		return 0, err
	}
	uid, known := owner(info)
	if err := checkFolder(info.Mode(), uid, os.Geteuid(), known); err != nil {
		return 0, err
	}
	if _, err := fo.version(); err != nil {
		return 0, err
	}
	if err := fo.takeLock(); err != nil {
		return 0, err
	}
	if err := fo.root.Chmod(".", 0o700); err != nil {
		return 0, err
	}
	return fo.version() // again: another process may have been opening it
}

func checkFolder(mode fs.FileMode, uid, self int, known bool) error {
	switch {
	case known && uid != self:
		return fmt.Errorf("%w: it belongs to user %d and this process runs as %d; chown it, or choose another", ErrUnsafeFolder, uid, self)
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("%w: mode %v lets others write; chmod 700 it after checking what is in it", ErrUnsafeFolder, mode.Perm())
	}
	return nil
}

// version reads the marker. Without one, the folder must be empty, but for
// what a racing Open or a fresh file system leaves there.
func (fo *folder) version() (int, error) {
	text, err := fo.read(markerName, maxMarker)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fo.checkEmpty()
	}
	if err != nil && !errors.Is(err, errDamaged) {
		return 0, err
	}
	rest, tagged := strings.CutPrefix(string(text), markerTag)
	rest, ours := strings.CutPrefix(rest, markerText)
	digits, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(digits)
	if !tagged || !ours || err != nil || n < 1 {
		return 0, fmt.Errorf("%w: its %s is not ours; choose an empty folder", ErrNotCacheFolder, markerName)
	}
	return n, nil
}

func (fo *folder) checkEmpty() error {
	names, err := fo.names()
	if err != nil {
		return err
	}
	allowed := []string{lockName, markerName, markerName + tempSuffix, "lost+found"}
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("%w: it is not empty and has no %s; choose an empty folder", ErrNotCacheFolder, markerName)
		}
	}
	return nil
}

func (fo *folder) names() ([]string, error) {
	d, err := fo.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// read reads a file of at most so many bytes. One that is larger is not what was
// written; somebody may have extended it, to more than there is memory.
func (fo *folder) read(name string, most int64) ([]byte, error) {
	f, err := fo.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: %s has over %d bytes", errDamaged, name, most)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// mark writes the marker.
func (fo *folder) mark() error {
	return replaceFile(fo.root, markerName, []byte(markerTag+markerText+strconv.Itoa(formatVersion)+"\n"), true)
}

// replaceFile writes a small file so that a crash leaves the old one, or none, or
// the new one; if it is synced, so does a loss of power.
func replaceFile(root *os.Root, name string, content []byte, sync bool) error {
	f, err := root.OpenFile(name+tempSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := root.Rename(name+tempSuffix, name); err != nil || !sync {
		return err
	}
	return syncFolder(root)
}

func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// empty deletes what a cache keeps, and nothing else. The keys go first, and one file
// that cannot be deleted keeps no other: without the keys it is noise.
func (fo *folder) empty() error {
	names, err := fo.names()
	if err != nil {
		return err
	}
	var failed []error
	remove := func(name string) {
		if err := fo.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	for _, name := range []string{keyName, groupsName, bootName} {
		remove(name)
		remove(name + tempSuffix)
	}
	for _, name := range names {
		if _, _, numbered := parseName(name); numbered {
			remove(name)
		}
	}
	return errors.Join(failed...)
}

// free returns the size of the file system and what is free for us, in bytes.
func (fo *folder) free() (total, free int64, err error) {
	d, err := fo.root.Open(".")
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	return statfs(d)
}

func (fo *folder) close() error {
	var err error
	for _, lock := range fo.locks {
		err = errors.Join(err, unlock(lock), lock.Close())
	}
	return errors.Join(err, fo.root.Close())
}
