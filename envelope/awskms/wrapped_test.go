package awskms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// goldenWrapped is a wrapped key of format kind 4, written down byte by byte: the
// ARN's 45 bytes, the ARN, and a ciphertext of ff 00 fe.
const goldenWrapped = "04" + "002d" +
	"61726e3a6177733a6b6d733a75732d656173742d313a3131313132323232333333333a6b65792f6d726b2d3031" + "ff00fe"

func TestWrappedFormatStaysAsItIs(t *testing.T) {
	golden, err := hex.DecodeString(goldenWrapped)
	if err != nil {
		t.Fatal(err)
	}
	key := keyARN{"aws", "us-east-1", "111122223333", "mrk-01"}
	if got := encodeWrapped(key, []byte{0xff, 0, 0xfe}); !bytes.Equal(got, golden) {
		t.Errorf("encoded %x", got)
	}
	got, ciphertext, err := parseWrapped(golden)
	if err != nil || got != key || !bytes.Equal(ciphertext, []byte{0xff, 0, 0xfe}) {
		t.Errorf("parsed %v, %x, %v", got, ciphertext, err)
	}
}

func TestForgedWrappedKeysAreRefusedUnsent(t *testing.T) {
	key := keyARN{"aws", "us-east-1", "111122223333", "k1"}
	good := encodeWrapped(key, []byte("ciphertext"))
	arn := []byte(key.String())
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"kind alone":       good[:1],
		"half a length":    good[:2],
		"half an ARN":      good[:20],
		"no ciphertext":    good[:wrappedHead+len(arn)],
		"long ciphertext":  encodeWrapped(key, make([]byte, maxCiphertext+1)),
		"raw key's kind":   append([]byte{1}, good[1:]...),
		"next kind":        append([]byte{5}, good[1:]...),
		"no ARN":           append([]byte{kind, 0, 0}, good[wrappedHead:]...),
		"length over all":  append([]byte{kind, 0xff, 0xff}, good[wrappedHead:]...),
		"alias":            bytes.Replace(good, []byte(":key/"), []byte(":ali/"), 1),
		"line break":       bytes.Replace(good, []byte("k1"), []byte("k\n"), 1),
		"terminal escape":  bytes.Replace(good, []byte("us-east"), []byte("us\x1b[31"), 1),
		"another service":  bytes.Replace(good, []byte(":kms:"), []byte(":iam:"), 1),
		"account in words": bytes.Replace(good, []byte("1111"), []byte("ours"), 1),
	} {
		if got, ciphertext, err := parseWrapped(b); !errors.Is(err, keyring.ErrProtector) || got != (keyARN{}) || ciphertext != nil {
			t.Errorf("%s: %v, %x, %v", name, got, ciphertext, err)
		}
	}
	if _, _, err := parseWrapped(good); err != nil {
		t.Error(err)
	}
}

func TestLongestWrappedKeyFits(t *testing.T) {
	key := keyARN{"aws-us-gov", "us-gov-west-1", "111122223333", strings.Repeat("k", maxID)}
	ciphertext := bytes.Repeat([]byte{1}, maxCiphertext)
	got, c, err := parseWrapped(encodeWrapped(key, ciphertext))
	if err != nil || got != key || !bytes.Equal(c, ciphertext) {
		t.Errorf("%v, %d bytes, %v", got, len(c), err)
	}
}

func FuzzParseWrapped(f *testing.F) {
	golden, _ := hex.DecodeString(goldenWrapped)
	for i := range golden {
		f.Add(golden[:i])
	}
	f.Add(golden)
	f.Fuzz(func(t *testing.T, b []byte) {
		key, ciphertext, err := parseWrapped(b)
		if err != nil {
			if !errors.Is(err, keyring.ErrProtector) || len(err.Error()) > 200 {
				t.Errorf("%v", err)
			}
			return
		}
		// Nothing is read in two ways, and nothing of it is dropped.
		if again := encodeWrapped(key, ciphertext); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}
