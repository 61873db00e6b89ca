package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestRawFramesAreZstd decodes frames of every number of blocks by a decoder that
// knows nothing of this package.
func TestRawFramesAreZstd(t *testing.T) {
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, n := range []int{1, 100, maxRawBlock - 1, maxRawBlock, maxRawBlock + 1, frameSize - 1, frameSize} {
		var out bytes.Buffer
		if _, err := writeRawFrame(&out, noise(n), nil); err != nil {
			t.Fatal(err)
		}
		if out.Len() != rawFrameSize(n) || checkFrame(out.Bytes(), int64(n)) != nil {
			t.Errorf("%d bytes: a frame of %d, said %d", n, out.Len(), rawFrameSize(n))
		}
		if got, err := d.DecodeAll(out.Bytes(), nil); err != nil || !bytes.Equal(got, noise(n)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestOnlyWhatCannotShrinkIsStored holds the guess against the encoder: whatever is
// stored at once must not have become smaller by it.
func TestOnlyWhatCannotShrinkIsStored(t *testing.T) {
	counter := make([]byte, frameSize)
	block, _ := aes.NewCipher(make([]byte, 32))
	encrypted := make([]byte, frameSize)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(encrypted, counter)
	mixed := append(noise(frameSize-20_000), text(20_000)...)
	for name, c := range map[string]struct {
		data   []byte
		random bool
	}{
		"noise":                  {noise(frameSize), true},
		"encrypted":              {encrypted, true},
		"short noise":            {noise(samples*sampleSize - 1), false}, // costs nothing either way
		"least noise":            {noise(samples * sampleSize), true},
		"text":                   {text(frameSize), false},
		"zeros":                  {counter, false},
		"base64":                 {[]byte(base64.StdEncoding.EncodeToString(noise(150_000))), false},
		"noise with text behind": {mixed, false},
	} {
		got := looksRandom(c.data)
		if got != c.random {
			t.Errorf("%s: looks random: %t", name, got)
		}
		if small := encodeFrame(CompressBest, c.data, nil); got && len(small) < len(c.data) {
			t.Errorf("%s is stored but shrinks from %d to %d", name, len(c.data), len(small))
		}
	}
}

// TestStoredAndCompressedFramesMix seals a stream whose frames are of both kinds.
func TestStoredAndCompressedFramesMix(t *testing.T) {
	data := bytes.Join([][]byte{noise(frameSize), text(frameSize), noise(frameSize), text(1000)}, nil)
	sealed := mustSeal(t, data, Options{})
	if got, err := open(t, sealed); err != nil || !bytes.Equal(got, data) {
		t.Errorf("another stream came out, %v", err)
	}
	if len(sealed) > len(data)*3/4 {
		t.Errorf("%d of %d bytes", len(sealed), len(data))
	}
}
