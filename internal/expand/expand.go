// Package expand is HKDF-Expand of RFC 5869, section 2.3, over HMAC-SHA-384, for
// outputs of one block. Several outputs of one key share its HMAC. An envelope
// needs eight of them: crypto/hkdf, which sets up a new HMAC for each, made up
// half of the time in which 4 KiB are sealed. The HMAC is the standard library's, so
// of its FIPS module; that module's own HKDF is not what runs here.
package expand

import (
	"crypto/hmac"
	"crypto/sha512"
	"hash"
)

// MaxSize is the length of a block in bytes.
const MaxSize = sha512.Size384

// Key expands one pseudorandom key, of which it holds what HMAC makes of it. It is
// not safe for concurrent use.
type Key struct {
	mac     hash.Hash
	counter [1]byte
	block   [MaxSize]byte
	used    bool
}

// New returns a Key for prk, which is not retained.
func New(prk []byte) *Key {
	return &Key{mac: hmac.New(sha512.New384, prk), counter: [1]byte{1}}
}

// Into fills out, at most [MaxSize] bytes, with the expansion of info.
func (k *Key) Into(out, info []byte) {
	if len(out) > MaxSize {
		panic("expand: output longer than a block")
	}
	if k.used {
		k.mac.Reset()
	}
	k.used = true
	k.mac.Write(info)
	k.mac.Write(k.counter[:])
	copy(out, k.mac.Sum(k.block[:0]))
	clear(k.block[:])
}
