package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Expire replaces the server's certificate by one that has ended when it returns. Sessions
// that are open stay.
func (s *Server) Expire() {
	s.t.Helper()
	end := time.Now().Add(s.engine.expiry())
	leaf := s.ca.leaf(s.t, end, []string{s.Name, "localhost", "127.0.0.1"})
	s.show(leaf)
	time.Sleep(time.Until(end.Add(time.Second))) // certificates count in seconds
}

// Renew takes back [Server.Expire].
func (s *Server) Renew() {
	s.t.Helper()
	s.show(s.ca.Leaf(s.t, s.Name, "localhost", "127.0.0.1"))
}

func (s *Server) show(leaf *Leaf) {
	s.t.Helper()
	s.acct.file(s.t, s.dir, "cert.pem", leaf.CertPEM)
	s.acct.file(s.t, s.dir, "key.pem", leaf.KeyPEM)
	s.SQL(s.engine.newCertificate())
}

// Backup copies the data of a server that is not running, and returns where to.
func (s *Server) Backup() string {
	s.t.Helper()
	to := filepath.Join(s.dir, "backup")
	s.copy(filepath.Join(s.dir, "data"), to)
	return to
}

// Restore puts a copy in the place of the data of a server that is not running.
func (s *Server) Restore(from string) {
	s.t.Helper()
	if s.proc != nil && !s.proc.gone() {
		s.t.Fatalf("server %d is running", s.ID)
	}
	data := filepath.Join(s.dir, "data")
	if err := os.RemoveAll(data); err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	s.copy(from, data)
}

// copy keeps owners, which os.CopyFS does not, and leaves no holes: on a disk that is full
// a server could not fill them, though it had reserved the room.
func (s *Server) copy(from, to string) {
	s.t.Helper()
	if out, err := exec.Command("cp", "-a", "--sparse=never", from, to).CombinedOutput(); err != nil {
		s.t.Fatalf("server %d: copy: %v: %s", s.ID, err, out)
	}
}
