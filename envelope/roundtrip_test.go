package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

func TestEverySizeOpensAgain(t *testing.T) {
	sizes := []int{0, 1, 100, 4095, 65503, 65504, 65505, frameSize - 1, frameSize, frameSize + 1, 3*frameSize + 17}
	for name, level := range levels {
		t.Run(name, func(t *testing.T) {
			for _, n := range sizes {
				for _, data := range [][]byte{text(n), noise(n)} {
					got, err := open(t, mustSeal(t, data, Options{Compression: level}))
					if err != nil {
						t.Fatalf("%d bytes: %v", n, err)
					}
					equal(t, "data", got, data)
				}
			}
		})
	}
}

func TestStreamsOpenAgain(t *testing.T) {
	data := append(text(700_000), noise(100_000)...)
	for name, level := range levels {
		for _, announced := range []int64{0, int64(len(data))} {
			var sealed bytes.Buffer
			w, err := NewWriter(t.Context(), &sealed, testRing, testBinding, Options{Compression: level, Size: announced})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(w, iotest.OneByteReader(bytes.NewReader(data[:3000]))); err != nil {
				t.Fatal(err)
			}
			w.Write(data[3000:])
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for kind, in := range map[string]io.Reader{
				"whole": bytes.NewReader(sealed.Bytes()), "halves": iotest.HalfReader(bytes.NewReader(sealed.Bytes())),
				"data with EOF": iotest.DataErrReader(bytes.NewReader(sealed.Bytes())),
			} {
				r, err := NewReader(t.Context(), in, testRing, testBinding)
				if err != nil {
					t.Fatal(err)
				}
				if want := max(announced, -1) - int64(btoi(announced == 0)); r.Info().Size != want {
					t.Errorf("size %d, want %d", r.Info().Size, want)
				}
				got, err := io.ReadAll(struct{ io.Reader }{r}) // Read, not WriteTo
				if err != nil {
					t.Fatalf("%s, %s: %v", name, kind, err)
				}
				equal(t, name, got, data)
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestWriteToGivesTheSameAsRead(t *testing.T) {
	data := text(frameSize*2 + 5)
	r, err := NewReader(t.Context(), bytes.NewReader(mustSeal(t, data, Options{})), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	var first [10]byte
	io.ReadFull(r, first[:])
	var out bytes.Buffer
	out.Write(first[:])
	if _, err := r.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	equal(t, "data", out.Bytes(), data)
	if n, err := r.Read(first[:]); n != 0 || err != io.EOF {
		t.Fatalf("after the end: %d, %v", n, err)
	}
}

func TestHeaderAloneTellsNameAndSize(t *testing.T) {
	want := map[string]string{"kind": "Observation", "": "empty key", "née": "Müller"}
	sealed := mustSeal(t, text(500_000), Options{Name: "Observation 5", Metadata: want, Keys: []string{"tenant", DefaultKey}})
	r, err := NewReader(t.Context(), bytes.NewReader(sealed[:min(len(sealed), MaxHeaderSize)]), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	i := r.Info()
	if i.Size != 500_000 || i.Name != "Observation 5" || !maps.Equal(i.Metadata, want) {
		t.Fatalf("%+v", i)
	}
	if i.Key != (KeyID{"tenant", 1}) || len(i.Keys) != 2 || i.Keys[1] != (KeyID{DefaultKey, 2}) {
		t.Fatalf("keys %v, opened by %v", i.Keys, i.Key)
	}
	for _, secret := range []string{"Observation", "kind", "ller", "records", "patients", "17"} {
		if bytes.Contains(sealed, []byte(secret)) && secret != "17" {
			t.Errorf("%q is in the clear", secret)
		}
	}
}

func TestHeaderOfEmptyDataSaysZero(t *testing.T) {
	r, err := NewReader(t.Context(), bytes.NewReader(mustSeal(t, nil, Options{})), testRing, testBinding)
	if err != nil || r.Info().Size != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestAnySlotOpens(t *testing.T) {
	sealed := mustSeal(t, text(100), Options{Keys: []string{"tenant", DefaultKey}})
	for _, ring := range []testKeys{{"tenant": 1}, {DefaultKey: 2}} {
		if _, _, err := Open(t.Context(), nil, sealed, ring, testBinding); err != nil {
			t.Errorf("%v: %v", ring, err)
		}
	}
	if _, _, err := Open(t.Context(), nil, sealed, testKeys{DefaultKey: 1}, testBinding); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("without either key: %v", err)
	}
}

// TestBodyIsAZstdFile decompresses the FLOE plaintext by what knows nothing of
// this package: a streaming decoder, and the zstd command where there is one.
func TestBodyIsAZstdFile(t *testing.T) {
	data := append(text(frameSize*2+100), noise(frameSize)...)
	body := floePlaintext(t, mustSeal(t, data, Options{}))
	d, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "streaming decoder", got, data)

	command, err := exec.LookPath("zstd")
	if err != nil {
		t.Log("no zstd command here: compared with the library alone")
		return
	}
	file := filepath.Join(t.TempDir(), "body.zst")
	os.WriteFile(file, body, 0o600)
	got, err = exec.Command(command, "-dcq", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "zstd command", got, data)
}

func floePlaintext(t *testing.T, sealed []byte) []byte {
	t.Helper()
	in := bytes.NewReader(sealed)
	h, err := readHeader(in)
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := h.open(t.Context(), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(floe.NewReader(in, o))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestIncompressibleDataHardlyGrows(t *testing.T) {
	data := noise(4 << 20)
	if n := len(mustSeal(t, data, Options{})); n > len(data)+len(data)/1000+1024 {
		t.Fatalf("%d bytes became %d", len(data), n)
	}
}

func TestSealAppends(t *testing.T) {
	sealed, err := Seal(t.Context(), []byte("before"), text(10), testRing, testBinding, Options{})
	if err != nil || !bytes.HasPrefix(sealed, []byte("before")) {
		t.Fatal(err)
	}
	data, _, err := Open(t.Context(), []byte("and "), sealed[6:], testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "data", data, append([]byte("and "), text(10)...))
}

func TestCancelledContextStopsBothWays(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := NewWriter(ctx, io.Discard, testRing, testBinding, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(ctx, bytes.NewReader(mustSeal(t, text(10), Options{})), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Write([]byte{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
}
