package diskcache

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// vandal is a writer that breaks the contract of io.Writer.
type vandal struct{ seen []byte }

func (v *vandal) Write(p []byte) (int, error) {
	v.seen = append(v.seen, p...)
	clear(p)
	return len(p), nil
}

func TestViewCannotBeChangedThroughAnyMethod(t *testing.T) {
	want := strings.Repeat("immutable ", 20_000)
	v := NewView([]byte(want))

	var w vandal
	if n, err := v.WriteTo(&w); n != int64(len(want)) || err != nil {
		t.Fatal(n, err)
	}
	if n, err := io.Copy(&w, v.Reader()); n != int64(len(want)) || err != nil {
		t.Fatal(n, err)
	}
	clear(v.Bytes())
	clear(v.AppendTo(nil))
	prefix := v.AppendTo([]byte("prefix "))
	clear(prefix[7:])

	if string(w.seen) != want+want {
		t.Error("WriteTo or Reader delivered other bytes")
	}
	if string(v.Bytes()) != want {
		t.Error("the view was changed")
	}
}

func TestViewDeliversItsBytes(t *testing.T) {
	v := NewView([]byte("abc"))
	var sb strings.Builder // takes strings
	if n, err := v.WriteTo(&sb); n != 3 || err != nil || sb.String() != "abc" {
		t.Error(n, err, sb.String())
	}
	if v.Len() != 3 || v.At(1) != 'b' {
		t.Error(v.Len(), v.At(1))
	}
	if b, err := io.ReadAll(v.Reader()); err != nil || string(b) != "abc" {
		t.Error(string(b), err)
	}
	if string(v.AppendTo([]byte("x"))) != "xabc" {
		t.Error("AppendTo")
	}
	var zero View
	var buf vandal
	if n, err := zero.WriteTo(&buf); n != 0 || err != nil || zero.Len() != 0 || len(zero.Bytes()) != 0 {
		t.Error("the zero view is not empty")
	}
}

func TestPrintingShowsNoContent(t *testing.T) {
	const secret = "PATIENT"
	e := Entry{Meta: Meta{Version: "v1", Blob: []byte(secret)}, Data: NewView([]byte(secret))}
	// Embedded in unexported fields, where fmt calls no methods.
	type holder struct{ v View }
	var out bytes.Buffer
	for _, x := range []any{e, &e, e.Data, &e.Data, e.Meta, holder{e.Data}, []holder{{e.Data}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "x", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "x", x)
	}
	hidden := []string{secret, fmt.Sprintf("%x", secret), "80 65 84", "0x50, 0x41", "UEFUSUVOVA"}
	for _, s := range hidden {
		if strings.Contains(out.String(), s) {
			t.Errorf("printing shows the content as %q", s)
		}
	}
	if !strings.Contains(out.String(), "7 bytes") {
		t.Error("printing does not show the length either")
	}
}

// A small view of a large array counts as small, so the array must not be kept.
func TestMemoryBudgetIsNotDeceivedByLargeArrays(t *testing.T) {
	c := open4test(t, newDir(t), Options{MemoryBytes: 1 << 20})
	before := heap()
	for i := range 200 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(make([]byte, 1<<20)[:100]), "v")
	}
	if grown := int64(heap()) - int64(before); grown > 20<<20 {
		t.Errorf("MemoryBytes is 1 MiB, and %d MiB are kept", grown>>20)
	}
	if st := c.Stats(); st.MemoryEntries != 200 {
		t.Errorf("%+v", st)
	}
}
