package invalidate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Wire format: POST, TLS 1.3, one JSON object in the body of the request and one in the answer.
// Durations are nanoseconds. Keys are base64 (JSON's own strings would turn bytes that are not UTF-8
// into U+FFFD, and then another object would be invalidated). 200 means: applied.
// 400 is a malformed message, 403 somebody who may not say this, 500 what the cache could not do. A node
// of a release that does not know a path answers 404: not applied.
//
//	POST /v1/lease     leaseRequest -> leaseAnswer    holder to grantor
//	POST /v1/announce  notice       -> {}             writer to peer
//	POST /v1/leave     farewell     -> {}             a node that closes
//	POST /v1/shred     order        -> {}             who destroyed keys to peer
//
// Unknown fields are refused: a newer peer's extra field may be the one that matters, and a lease
// refused is safe. A change of meaning gets a new path.
const (
	pathLease    = "/v1/lease"
	pathAnnounce = "/v1/announce"
	pathLeave    = "/v1/leave"
	pathShred    = "/v1/shred"

	// maxKey is four times what S3 allows, for stores that prefix or encode.
	maxKey = 4096
	// maxRequest holds the largest notice: a key in base64 and some numbers.
	maxRequest = 16 << 10
	// maxAnswer bounds a lease with its open announcements: about 2900 keys of maxKey or 150,000
	// of 40 bytes. Beyond it peers get no lease, that is, they confirm with S3.
	maxAnswer = 16 << 20
)

// leaseRequest asks for a lease and acknowledges, with Seen, what the last answers brought.
type leaseRequest struct {
	From string        `json:"from"`
	Boot string        `json:"boot"`   // random per process start of the sender
	Age  time.Duration `json:"age_ns"` // since that start
	Seen seen          `json:"seen"`
}

// seen names the newest answer of the grantor that the holder has applied.
type seen struct {
	Boot string `json:"boot"`
	Seq  uint64 `json:"seq"`
}

// leaseAnswer is a lease and everything that must be applied before it counts.
type leaseAnswer struct {
	Boot   string        `json:"boot"`
	Age    time.Duration `json:"age_ns"`
	Term   time.Duration `json:"term_ns"`
	Missed uint64        `json:"missed"` // announcements that ended without the holder's acknowledgment, + 1
	Seq    uint64        `json:"seq"`    // number of the newest announcement
	Open   []openKey     `json:"open"`   // all announcements not over yet
	Heir   bool          `json:"heir"`   // the holder's predecessor left in good order, and nobody came between
}

type openKey struct {
	Seq uint64 `json:"seq"`
	Key []byte `json:"key"`
}

// notice says that the write numbered Seq is about to happen, or over.
type notice struct {
	From string `json:"from"`
	Boot string `json:"boot"`
	Seq  uint64 `json:"seq"`
	Key  []byte `json:"key"`
	Over bool   `json:"over"`
}

// farewell gives back all leases of the sender. Clean: no write of its can be in flight.
type farewell struct {
	From  string `json:"from"`
	Boot  string `json:"boot"`
	Clean bool   `json:"clean"`
}

// order says that keys are destroyed: shred what you hold under them. The answer is given when it is done.
type order struct {
	From string   `json:"from"`
	Keys [][]byte `json:"keys"`
}

func (m leaseRequest) sender() string { return m.From }
func (m notice) sender() string       { return m.From }
func (m farewell) sender() string     { return m.From }
func (m order) sender() string        { return m.From }

var (
	errMalformed = errors.New("malformed message")
	errForbidden = errors.New("sender may not say this")
)

// decode reads exactly one JSON object. Its error never quotes the input, which may name an object.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(into) != nil {
		return errMalformed
	}
	if _, err := d.Token(); err != io.EOF {
		return errMalformed
	}
	return nil
}

// encode cannot fail: the messages hold nothing that JSON cannot express.
func encode(message any) []byte {
	b, err := json.Marshal(message)
	if err != nil {
		panic("invalidate: encoding a message: " + err.Error())
	}
	return b
}
