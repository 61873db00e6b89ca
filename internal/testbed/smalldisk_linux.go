package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// smallDisk puts the server's data on a file system of its own, in memory, that can be
// filled. That takes root.
func (s *Server) smallDisk() {
	s.t.Helper()
	data := filepath.Join(s.dir, "data")
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0777", s.engine.smallDisk())); err != nil {
		RequireOrSkip(s.t, "the right to mount a small file system (root): "+err.Error())
		return
	}
	s.acct.own(s.t, data)
	s.t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			s.t.Errorf("unmount: %v", err)
		}
	})
}

// FillDisk leaves no byte free where the data is.
func (s *Server) FillDisk() {
	s.t.Helper()
	file, err := os.Create(filepath.Join(s.dir, "data", "filler"))
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// FreeDisk takes back [Server.FillDisk].
func (s *Server) FreeDisk() {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, "data", "filler")); err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
}
