package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestDataFolderIsUsed(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "a"), []byte("records"), 0o600)
	kinds, err := inputs(dir, 10)
	if err != nil || len(kinds) != 1 || kinds[0].name != filepath.Base(dir) || string(kinds[0].data) != "recordsrec" {
		t.Fatalf("%v, %v", kinds, err)
	}
}

func TestEachFolderIsAKindOfData(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"text", "images"} {
		os.MkdirAll(filepath.Join(dir, kind, "deeper"), 0o700)
		os.WriteFile(filepath.Join(dir, kind, "deeper", "a"), []byte(kind), 0o600)
	}
	os.WriteFile(filepath.Join(dir, "README"), []byte("not data"), 0o600)
	kinds, err := inputs(dir, 8)
	if err != nil || len(kinds) != 2 || kinds[0].name != "images" || string(kinds[0].data) != "imagesim" || string(kinds[1].data) != "texttext" {
		t.Fatalf("%q, %v", kinds, err)
	}
	os.Mkdir(filepath.Join(dir, "empty"), 0o700)
	if _, err := inputs(dir, 8); err == nil {
		t.Error("a folder without data is measured")
	}
}

func TestDataMadeHereIsTheSameInEveryRun(t *testing.T) {
	first, _ := inputs("", 100_000)
	again, _ := inputs("", 100_000)
	for i, in := range first {
		if len(in.data) != 100_000 || !bytes.Equal(in.data, again[i].data) {
			t.Errorf("%s: %d bytes, or others", in.name, len(in.data))
		}
	}
}

func TestRecordsAreSpreadOverTheData(t *testing.T) {
	data := fillUp(nil, 16<<20, observation)
	for _, c := range []struct{ size, count int }{{4 << 10, 64}, {64 << 10, 64}, {1 << 20, 4}, {16 << 20, 1}} {
		r := brief.records(input{"", data}, c.size)
		if len(r.data) != c.count || r.size() != c.size {
			t.Errorf("%d records of %d bytes", len(r.data), r.size())
		}
		if c.count > 1 && bytes.Equal(r.data[0], r.data[1]) {
			t.Errorf("records of %d bytes are the same", c.size)
		}
	}
}

func TestProcessorIsReadFromCPUInfo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpuinfo")
	os.WriteFile(file, []byte("processor\t: 0\nmodel name\t: Some CPU @ 1 GHz\nmodel name\t: other\n"), 0o600)
	if got := processor(file); got != "Some CPU @ 1 GHz" {
		t.Error(got)
	}
	if got := processor(file + "x"); got != "unknown processor" {
		t.Error(got)
	}
}
