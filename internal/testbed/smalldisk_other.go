//go:build !linux

package testbed

func (s *Server) smallDisk() { RequireOrSkip(s.t, "Linux, to mount a small file system") }

// FillDisk is for Linux.
func (s *Server) FillDisk() { s.t.Fatal("a disk is filled on Linux only") }

// FreeDisk is for Linux.
func (s *Server) FreeDisk() { s.t.Fatal("a disk is filled on Linux only") }
