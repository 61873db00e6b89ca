package dbfailover

import (
	"os"
	"strings"
	"testing"
)

func TestMemorySurvivesAndIsNotGuessed(t *testing.T) {
	a := App{Name: "north", Folder: t.TempDir()}
	empty, err := recall(a)
	if err != nil || empty != (memory{}) {
		t.Fatalf("%+v, %v", empty, err)
	}
	for number := uint64(1); number < 4; number++ {
		m := memory{highest: epoch{number, 2, "1-1-5,2-2-7"}, ids: [2]uint32{1, 2}}
		must(t, m.keep(a))
		if got, err := recall(a); err != nil || got != m {
			t.Errorf("%+v, %v, want %+v", got, err, m)
		}
	}
	entries, err := os.ReadDir(a.Folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left over, %v", len(entries)-1, err)
	}
	data, err := os.ReadFile(memoryPath(a))
	must(t, err)
	for what, text := range map[string]string{
		"cut off": string(data[:len(data)/2]), "empty": "", "another application's": strings.Replace(string(data), "north", "south", 1),
	} {
		must(t, os.WriteFile(memoryPath(a), []byte(text), 0o600))
		if m, err := recall(a); err == nil {
			t.Errorf("%s: read as %+v", what, m)
		}
	}
	gone := App{Name: "north", Folder: a.Folder + "/gone"}
	if err := (memory{}).keep(gone); err == nil {
		t.Error("kept in a folder that does not exist")
	}
}
