package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"io"
	"os"
)

// readAll does to memory and disk what the Amazon S3 Encryption Client for Go v4
// does, without its calls to KMS and S3: it reads all of the body, seals it in place
// with one AES-GCM, and copies that to where the HTTP client reads it from, which
// is a temporary file from 2.5 MiB on. It opens by reading all and handing it out
// through a buffer. The cryptography is that of its committing suite: a data key for
// each object (wrapped here by a local key), HKDF-SHA-512 salted with a message id,
// a commitment of 28 bytes, a fixed nonce.
type readAll struct {
	wrap cipher.AEAD
	dir  string // for temporary files
}

const (
	readAllID       = 28
	readAllWrapped  = 12 + 32 + 16
	readAllCommit   = 28
	readAllHeader   = readAllID + readAllWrapped + readAllCommit
	readAllSpool    = 2560 << 10 // bytes from which on a file is used
	readAllBuffered = 64 << 10
)

// readAllSuite is the algorithm suite's id, its only associated data.
var readAllSuite = []byte{0x00, 0x73}

var errReadAllCommitment = errors.New("key commitment differs")

func newReadAll(dir string) (scheme, error) {
	wrap, err := newGCM(make([]byte, 32))
	r := &readAll{wrap, dir}
	return scheme{name: "ReadAll+GCM", seal: r.seal, open: r.open}, err
}

// aead returns the cipher for one object and the commitment to its key.
func (*readAll) aead(key, id []byte) (cipher.AEAD, []byte, error) {
	prk, err := hkdf.Extract(sha512.New, key, id)
	if err != nil {
		return nil, nil, err
	}
	commitment, err := hkdf.Expand(sha512.New, prk, string(readAllSuite)+"COMMITKEY", readAllCommit)
	if err != nil {
		return nil, nil, err
	}
	if key, err = hkdf.Expand(sha512.New, prk, string(readAllSuite)+"DERIVEKEY", 32); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, commitment, err
}

func readAllNonce() []byte { return bytes.Repeat([]byte{1}, 12) }

func (s *readAll) seal(dst, data []byte) ([]byte, error) {
	key, id := make([]byte, 32), make([]byte, readAllID)
	rand.Read(key)
	rand.Read(id)
	aead, commitment, err := s.aead(key, id)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	body = aead.Seal(body[:0], readAllNonce(), body, readAllSuite)
	dst = append(dst, id...)
	dst = s.wrap.Seal(dst, nil, key, nil)
	dst = append(dst, commitment...)
	return s.send(dst, bytes.NewBuffer(body))
}

// send copies the body to memory or to a file and has it read from there.
func (s *readAll) send(dst []byte, body *bytes.Buffer) ([]byte, error) {
	spool := io.ReadWriter(&memory{})
	if body.Len() >= readAllSpool {
		f, err := os.CreateTemp(s.dir, "")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		spool = f
	}
	// It has neither WriteTo nor ReadFrom, and so copies 32 KiB at a time.
	if _, err := io.Copy(struct{ io.Writer }{spool}, struct{ io.Reader }{body}); err != nil {
		return nil, err
	}
	if f, ok := spool.(*os.File); ok {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return readInto(dst, spool)
}

// memory grows by append while it is written, and is then read.
type memory struct {
	b  []byte
	at int
}

func (m *memory) Write(p []byte) (int, error) {
	m.b = append(m.b, p...)
	return len(p), nil
}

func (m *memory) Read(p []byte) (int, error) {
	n := copy(p, m.b[m.at:])
	if m.at += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *readAll) open(dst, sealed []byte) ([]byte, error) {
	head := sealed[:readAllHeader]
	id, wrapped := head[:readAllID], head[readAllID:readAllID+readAllWrapped]
	key, err := s.wrap.Open(nil, nil, wrapped, nil)
	if err != nil {
		return nil, err
	}
	aead, commitment, err := s.aead(key, id)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(commitment, head[readAllID+readAllWrapped:]) != 1 {
		return nil, errReadAllCommitment
	}
	body, err := io.ReadAll(bytes.NewReader(sealed[readAllHeader:]))
	if err != nil {
		return nil, err
	}
	if body, err = aead.Open(body[:0], readAllNonce(), body, readAllSuite); err != nil {
		return nil, err
	}
	return readInto(dst, bufio.NewReaderSize(bytes.NewBuffer(body), readAllBuffered))
}
