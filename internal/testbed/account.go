package testbed

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// account is the user a server runs as. The zero value is "whoever runs the
// test", which is right unless that is root.
type account struct {
	other    bool
	uid, gid int
}

// ordinaryAccount answers with the caller's own account or, under root, with an
// unprivileged one: mariadbd refuses to run as root.
func ordinaryAccount(t testing.TB) account {
	t.Helper()
	if os.Getuid() != 0 {
		return account{}
	}
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return account{other: true, uid: uid, gid: gid}
		}
	}
	RequireOrSkip(t, "an unprivileged user (mysql or nobody) to run a server as")
	return account{}
}

func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own hands path to the account.
func (a account) own(t testing.TB, path string) {
	t.Helper()
	if !a.other {
		return
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		t.Fatalf("hand a test folder to the server's user: %v", err)
	}
}

// folder makes a folder that the account owns and that goes away with the test.
// Not t.TempDir: its parent can be entered by the test's user alone. The name is
// short because a Unix socket's path ends at 107 bytes.
func (a account) folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bed")
	if err != nil {
		t.Fatalf("make a test folder: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove a test folder: %v", err)
		}
	})
	a.own(t, dir)
	return dir
}

// sub makes a folder inside parent that the account owns.
func (a account) sub(t testing.TB, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatalf("make a test folder: %v", err)
	}
	a.own(t, dir)
	return dir
}

// file writes a file that the account alone can read.
func (a account) file(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatalf("write a test file: %v", err)
	}
	a.own(t, path)
	return path
}

// ownAll hands over a folder with all that is in it.
func (s *Server) ownAll(dir string) {
	s.t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			s.acct.own(s.t, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
}
