package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestPythonReadsBackWhatItStored holds the peer to what the lines say it does.
func TestPythonReadsBackWhatItStored(t *testing.T) {
	dir := t.TempDir()
	server, err := startServer(filepath.Join(dir, "server"))
	if errors.Is(err, errNoServer) && os.Getenv("HIPAAKIT_REQUIRE_SERVERS") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	p, err := startStorePython(dir, server)
	if errors.Is(err, errNoBoto) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.prepare("k", bytes.Repeat([]byte("data "), 1000)); err != nil {
		t.Fatal(err)
	}
	before := server.gets.Load()
	s := &storeBench{client: server.client()}
	sealed, err := s.get("k", nil)
	if err != nil || len(sealed) >= 5000 || bytes.Contains(sealed, []byte("data ")) {
		t.Errorf("%d bytes are stored, %v", len(sealed), err)
	}
	if server.gets.Load() != before+1 {
		t.Error("a request was not counted")
	}
}

func TestComparingWriterFindsOtherData(t *testing.T) {
	for _, got := range []string{"datb", "data!", "x"} {
		if _, err := (&same{want: []byte("data")}).Write([]byte(got)); err == nil {
			t.Errorf("%q is taken for the data", got)
		}
	}
	s := &same{want: []byte("data")}
	if _, err := s.Write([]byte("da")); err != nil {
		t.Error(err)
	}
	if _, err := s.Write([]byte("ta")); err != nil || s.at != 4 {
		t.Error(err)
	}
}
