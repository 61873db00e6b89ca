package awskms_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

const (
	account  = "111122223333"
	stranger = "999988887777"
	east     = "us-east-1"
	west     = "us-west-2"
)

func keyARN(region, owner, id string) string {
	return "arn:aws:kms:" + region + ":" + owner + ":key/" + id
}

func aliasARN(region, name string) string {
	return "arn:aws:kms:" + region + ":" + account + ":alias/" + name
}

// fakeKMS is AWS KMS as far as awskms uses it: it speaks AWS JSON 1.1, really
// encrypts with the encryption context as associated data, and its multi-Region
// replicas share key material. Safe for concurrent use.
type fakeKMS struct {
	mu      sync.Mutex
	keys    map[string]*fakeKey // by ARN
	aliases map[string]string   // alias ARN to key ARN
	calls   []call
	faults  []fault // for the next requests, nil for none
	always  fault
	down    bool
}

type fakeKey struct {
	material string // names the key in a ciphertext, the same for all replicas
	aead     cipher.AEAD
	state    string // the error code that its use is answered with
}

// call is one request that arrived, refused or not.
type call struct {
	Op                  string
	KeyId               string
	EncryptionContext   map[string]string
	Plaintext           []byte
	CiphertextBlob      []byte
	KeySpec             string
	NumberOfBytes       int
	EncryptionAlgorithm string
}

func newFakeKMS() *fakeKMS {
	return &fakeKMS{keys: map[string]*fakeKey{}, aliases: map[string]string{}}
}

// create makes a key and returns its ARN.
func (f *fakeKMS) create(region, owner, id string) string {
	secret := make([]byte, 32)
	rand.Read(secret)
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	arn := keyARN(region, owner, id)
	f.keys[arn] = &fakeKey{material: owner + "/" + id, aead: aead}
	return arn
}

// replicate gives a multi-Region key an ARN in another Region.
func (f *fakeKMS) replicate(arn, region string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.Split(arn, ":")
	parts[3] = region
	replica := strings.Join(parts, ":")
	k := *f.keys[arn]
	f.keys[replica] = &k
	return replica
}

func (f *fakeKMS) point(alias, arn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aliases[alias] = arn
}

// setState makes the use of a key fail with an error code, "" for no longer.
func (f *fakeKMS) setState(arn, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[arn].state = code
}

func (f *fakeKMS) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]call(nil), f.calls...)
}

func (f *fakeKMS) count(op string) (n int) {
	for _, c := range f.seen() {
		if c.Op == op {
			n++
		}
	}
	return n
}

// region is KMS's endpoint in one Region.
func (f *fakeKMS) region(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{Op: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &c) != nil || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			http.Error(w, "not AWS JSON 1.1", http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		f.calls = append(f.calls, c)
		broken := f.always
		if len(f.faults) > 0 {
			broken, f.faults = f.faults[0], f.faults[1:]
		}
		answer, err := f.answer(name, c)
		f.mu.Unlock()
		w.Header().Set("X-Amzn-RequestId", "11111111-2222-3333-4444-555555555555")
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		switch {
		case broken != nil:
			broken(w, r, answer)
		case err != nil:
			refuse(w, http.StatusBadRequest, err.Error())
		default:
			write(w, answer)
		}
	})
}

func write(w io.Writer, answer map[string]any) {
	b, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.Write(b)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	write(w, map[string]any{"__type": code, "message": "in KMS's own words"})
}

// answer is what KMS says; an error's text is its code.
func (f *fakeKMS) answer(region string, c call) (map[string]any, error) {
	arn, k, err := f.find(region, c)
	if err != nil {
		return nil, err
	}
	// Ours have one way to be spelled, since maps are encoded in order.
	aad, err := json.Marshal(c.EncryptionContext)
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case "GenerateDataKey":
		if c.KeySpec != "AES_256" || c.NumberOfBytes != 0 { // one of the two, says KMS
			return nil, errors.New("ValidationException")
		}
		key := make([]byte, 32)
		rand.Read(key)
		return map[string]any{"KeyId": arn, "Plaintext": key, "CiphertextBlob": k.seal(key, aad)}, nil
	case "Encrypt":
		return map[string]any{"KeyId": arn, "CiphertextBlob": k.seal(c.Plaintext, aad)}, nil
	case "Decrypt":
		material, sealed := cut(c.CiphertextBlob)
		if material != "" && material != k.material {
			return nil, errors.New("IncorrectKeyException")
		}
		plain, err := k.aead.Open(nil, nil, sealed, aad)
		if err != nil || material == "" {
			return nil, errors.New("InvalidCiphertextException")
		}
		return map[string]any{"KeyId": arn, "Plaintext": plain}, nil
	}
	return nil, errors.New("UnknownOperationException")
}

// find resolves a KeyId as KMS does: in its own Region and, for a bare id, in the
// caller's account. Without one Decrypt takes the ciphertext's key, which is just
// what must not happen.
func (f *fakeKMS) find(region string, c call) (string, *fakeKey, error) {
	arn := c.KeyId
	switch {
	case c.KeyId == "" && c.Op == "Decrypt":
		material, _ := cut(c.CiphertextBlob)
		for a, k := range f.keys {
			if k.material == material && strings.Split(a, ":")[3] == region {
				arn = a
			}
		}
	case strings.Contains(c.KeyId, ":alias/"):
		arn = f.aliases[c.KeyId]
	case !strings.HasPrefix(c.KeyId, "arn:"):
		arn = keyARN(region, account, c.KeyId)
	}
	k := f.keys[arn]
	if k == nil || strings.Split(arn, ":")[3] != region {
		return "", nil, errors.New("NotFoundException")
	}
	if k.state != "" {
		return "", nil, errors.New(k.state)
	}
	return arn, k, nil
}

func (k *fakeKey) seal(plain, aad []byte) []byte {
	return k.aead.Seal(append([]byte{byte(len(k.material))}, k.material...), nil, plain, aad)
}

func cut(blob []byte) (material string, sealed []byte) {
	if len(blob) == 0 || len(blob) < 1+int(blob[0]) {
		return "", nil
	}
	n := 1 + int(blob[0])
	return string(blob[1:n]), blob[n:]
}
