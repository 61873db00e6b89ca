package diskcache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Sealing is AES-256-GCM with a random nonce in front (nonce || ciphertext ||
// tag, NIST SP 800-38D), under a key that belongs to one file, or to one file and
// one group:
//
//	HKDF-SHA-256(secret: cache key || group secret, salt: file id, info: label || file header)
//
// A segment has at most 1 GiB and 2^18 records, so one key seals fewer than 2^20
// messages, far from the 2^32 that random nonces allow.
//
// Every seal in a segment is bound to its place. place is
//
//	file id || be64 offset of the record || the 12 bytes of its header
//
// and the associated data are, in the order in which they are met,
//
//	'h' || place                                       head
//	'f' || place || be64 hash || be64 sequence number  first message: metadata, chunk 0
//	'c' || as above || metadata without the blob || be64 n || 1 if last, else 0   chunk n
//	's' || be64 n || 1 if last, else 0                 chunk n of a record apart
//	'x' || place                                       index block
//	't' || place                                       trailer
//
// where chunks apart have a key that exists for them alone; see apart.go. The
// metadata hold the full key, the version, the length and the chunk size. So
// somebody with access to the disk can neither copy an old record over a new one,
// nor swap, repeat or leave out chunks. The version of the format is part of the
// file's header, and so of the key.
const (
	sealOverhead = 12 + 16

	labelHead    = 'h'
	labelFirst   = 'f'
	labelChunk   = 'c'
	labelApart   = 's'
	labelBlock   = 'x'
	labelTrailer = 't'
)

type cacheKey [32]byte

// derive returns a key for one purpose.
func (k *cacheKey) derive(label string, salt []byte, more ...byte) [32]byte {
	secret := append(append(make([]byte, 0, 64), k[:]...), more...)
	defer clear(secret)
	raw, err := hkdf.Key(sha256.New, secret, salt, "hipaakit diskcache "+label, 32)
	if err != nil { // only if asked for more than 255 hashes
		panic(fmt.Sprintf("diskcache: deriving a key: %v", err))
	}
	defer clear(raw)
	return [32]byte(raw)
}

// aead returns what seals under a derived key.
func (k *cacheKey) aead(label string, salt []byte, more ...byte) cipher.AEAD {
	raw := k.derive(label, salt, more...)
	defer clear(raw[:])
	block, err := aes.NewCipher(raw[:])
	if err == nil {
		var a cipher.AEAD
		if a, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return a
		}
	}
	panic(fmt.Sprintf("diskcache: AES-256-GCM: %v", err)) // the key has 32 bytes
}

// place is where a record is: everything its seals are bound to.
type place struct {
	seg *segment
	off int64
	header
}

func (p place) appendAAD(b []byte, label byte) []byte {
	b = append(b, label)
	b = append(b, p.seg.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.off))
	return p.header.appendTo(b)
}

// appendFirst and appendChunk also name the record that is meant: a place can be
// written twice, after a crash or a failed write.
func (p place) appendFirst(b []byte, label byte, hash, seq uint64) []byte {
	b = p.appendAAD(b, label)
	b = binary.BigEndian.AppendUint64(b, hash)
	return binary.BigEndian.AppendUint64(b, seq)
}

// chunkAAD is the associated data of a record's chunks. Only its last nine
// bytes differ from one to the next, so they are rewritten in place.
type chunkAAD []byte

func (p place) appendChunk(b []byte, r *record, meta []byte) chunkAAD {
	b = p.appendFirst(b, labelChunk, r.hash, r.seq)
	b = append(b, meta[:len(meta)-len(r.blob)]...)
	return append(b, make([]byte, 9)...)
}

func (a chunkAAD) of(n int, last bool) []byte {
	tail := a[len(a)-9:]
	binary.BigEndian.PutUint64(tail, uint64(n))
	tail[8] = 0
	if last {
		tail[8] = 1
	}
	return a
}
