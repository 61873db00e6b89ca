package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFolderAndFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(newDir(t), "made", "with", "parents")
	c := open4test(t, dir, Options{Keys: testKeys{}})
	mustPut(t, c, "k", NewView(noise(1000)), "v")
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", d.Name(), info.Mode())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFolderThatOthersCanWriteToIsRefused(t *testing.T) {
	for mode, refused := range map[fs.FileMode]bool{
		0o777: true, 0o770: true, 0o702: true, 0o720: true, 0o755: false, 0o700: false,
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), dir, Options{})
		if refused != errors.Is(err, ErrUnsafeFolder) {
			t.Errorf("mode %v: %v", mode, err)
		}
		if refused {
			if !strings.Contains(err.Error(), "chmod") {
				t.Errorf("%v does not say what to do", err)
			}
			if len(onDisk(t, dir)) > 0 {
				t.Error("a refused folder was written to")
			}
			continue
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Error(info.Mode(), err)
		}
		c.Close()
	}
}

func TestFolderOfAnotherUserIsRefused(t *testing.T) {
	if err := checkFolder(0o700, 1000, 1001, true); !errors.Is(err, ErrUnsafeFolder) || !strings.Contains(err.Error(), "chown") {
		t.Error(err)
	}
	if err := checkFolder(0o700, 1000, 1000, true); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if uid, known := owner(info); !known || uid != os.Geteuid() {
		t.Error("owner of a folder of our own:", uid, known)
	}
}

func TestForeignFolderIsRefusedAndLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"thesis.txt":           "the only copy",
		"0000000000000001.seg": "of another program",
		markerName:             markerTag + "# some other cache\n",
		keyName:                "",
	} {
		files := map[string][]byte{name: []byte(text)}
		dir := writeFolder(t, files)
		_, err := Open(t.Context(), dir, Options{})
		if !errors.Is(err, ErrNotCacheFolder) || !strings.Contains(err.Error(), "choose") {
			t.Errorf("%s: %v", name, err)
		}
		if after := onDisk(t, dir); len(after) != 1 || string(after[name]) != text {
			t.Errorf("%s: the folder was changed: %v", name, after)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(writeFolder(t, map[string][]byte{"file": nil}), "file"), Options{}); err == nil {
		t.Error("opened a file as a folder")
	}
}

func TestForeignFilesInACacheFolderAreNotDeleted(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = reopen(t, c, dir, Options{}) // without a key, so the folder is emptied
	c.DropAll()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files := onDisk(t, dir)
	if _, ok := files["notes.txt"]; !ok {
		t.Error("deleted")
	}
}

func TestFreshFileSystemMayHaveLostAndFound(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	open4test(t, dir, Options{})
}

func TestFolderOfAnotherVersionStartsEmptyAndSaysSo(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(dir, markerName)
	text, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, bytes.Replace(text, []byte("format 1"), []byte("format 2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	var log *bytes.Buffer
	o.Logger, log = logTo()
	c = open4test(t, dir, o)
	wantMiss(t, c, "k")
	if !strings.Contains(log.String(), "starting empty") || !strings.Contains(log.String(), "found=2") {
		t.Errorf("log: %s", log)
	}
	mustPut(t, c, "k", NewView([]byte("y")), "v")
	log.Reset()
	c = reopen(t, c, dir, o)
	wantHit(t, c, "k", []byte("y"))
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

func TestSecondOpenIsRefusedAndNamesTheHolder(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	_, err := Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", os.Getpid())) {
		t.Fatal(err)
	}
	wantHit(t, c, "k", []byte("x")) // the refused one has not emptied the folder
	c.Close()
	open4test(t, dir, Options{})
}

func TestLockOfAnotherProcessIsRefusedAndEndsWithIt(t *testing.T) {
	dir := newDir(t)
	pid := 0
	checked := false
	during(t, dir, func(childPid int) {
		pid = childPid
		_, err := Open(t.Context(), dir, Options{})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", pid)) {
			t.Error(err)
		}
		checked = true
	})
	if !checked {
		t.Fatal("the child did not run")
	}
	open4test(t, dir, Options{}) // although it was killed and could not unlock
}

// TestLockEndsWithCloseThoughAChildIsBeingStarted: a descriptor of each lock in
// another process, as a fork has it until it executes its program.
func TestLockEndsWithCloseThoughAChildIsBeingStarted(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	for _, lock := range c.folder.locks {
		raw, err := lock.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var dup int
		if err := raw.Control(func(fd uintptr) { dup, err = syscall.Dup(int(fd)) }); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(dup)
	}
	if n := len(c.folder.locks); n != 2 {
		t.Errorf("%d locks", n)
	}
	reopen(t, c, dir, Options{})
}
