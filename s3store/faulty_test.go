package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// doer is a network as a function.
type doer func(*http.Request) (*http.Response, error)

// Do makes it an s3.HTTPClient.
func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// fault is one thing that can happen to a request.
type fault int

const (
	lostRequest   fault = iota // the connection breaks before S3 has it
	lostAnswer                 // and after
	internalError              // 500, nothing done
	doneAndError               // 500, but done
	slowDown                   // 503, nothing done
	resetInBody                // the answer breaks off
	truncated                  // the answer ends early, as if that were all of it
	corrupted                  // a byte of an object is another one
	stalled                    // no answer ever
	stalledInBody              // nor the rest of one
	duplicated                 // S3 gets it twice; the second answer arrives
	hollowAnswer               // a proxy answers 200 with nothing
	numberOfFaults
)

func (k fault) String() string {
	return [...]string{"lost request", "lost answer", "500", "500 but done", "503", "reset in the body", "truncated",
		"corrupted", "stalled", "stalled in the body", "duplicated", "hollow"}[k]
}

// faulty is the network before a handler, without a network: faults come when a test
// wants them.
type faulty struct {
	handler http.Handler
	kind    fault
	at      int  // the request that it happens to, from 0; -1: none
	onwards bool // and to all after it

	mu       sync.Mutex
	requests int
	hit      bool
	open     atomic.Int64 // bodies that nobody has closed
}

var errReset = errors.New("connection reset by peer")

// Do makes it an s3.HTTPClient.
func (n *faulty) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if !n.mine() {
		return n.opened(n.serve(r, body)), nil
	}
	switch n.kind {
	case lostRequest:
		return nil, errReset
	case stalled:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case internalError:
		return n.opened(refusal(r, http.StatusInternalServerError, "InternalError")), nil
	case slowDown:
		return n.opened(refusal(r, http.StatusServiceUnavailable, "SlowDown")), nil
	case hollowAnswer:
		return n.opened(&http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}), nil
	case duplicated:
		n.serve(r, body)
	}
	res := n.serve(r, body)
	switch n.kind {
	case lostAnswer:
		return nil, errReset
	case doneAndError:
		return n.opened(refusal(r, http.StatusInternalServerError, "InternalError")), nil
	}
	return n.opened(n.damage(r, res)), nil
}

func (n *faulty) mine() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.requests
	n.requests++
	mine := n.at >= 0 && (i == n.at || n.onwards && i > n.at)
	n.hit = n.hit || mine
	return mine
}

func (n *faulty) serve(r *http.Request, body []byte) *http.Response {
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	n.handler.ServeHTTP(rec, again)
	res := rec.Result()
	res.Request = r
	return res
}

func refusal(r *http.Request, status int, code string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code></Error>"))}
}

// damage spoils the body of an answer.
func (n *faulty) damage(r *http.Request, res *http.Response) *http.Response {
	all, _ := io.ReadAll(res.Body)
	half := bytes.NewReader(all[:len(all)/2])
	object := res.StatusCode < 300 && !bytes.HasPrefix(bytes.TrimSpace(all), []byte("<")) && len(all) > 0
	switch {
	case n.kind == resetInBody:
		res.Body = io.NopCloser(io.MultiReader(half, failing{func() error { return errReset }}))
	case n.kind == stalledInBody:
		res.Body = io.NopCloser(io.MultiReader(half, failing{func() error { <-r.Context().Done(); return r.Context().Err() }}))
	case n.kind == truncated:
		res.Body = io.NopCloser(half)
	case n.kind == corrupted && object:
		all[rand.IntN(len(all))] ^= 1
		res.Body = io.NopCloser(bytes.NewReader(all))
	default:
		res.Body = io.NopCloser(bytes.NewReader(all))
	}
	return res
}

type failing struct{ with func() error }

func (f failing) Read([]byte) (int, error) { return 0, f.with() }

func (n *faulty) opened(res *http.Response) *http.Response {
	n.open.Add(1)
	res.Body = &countedBody{ReadCloser: res.Body, n: n}
	return res
}

type countedBody struct {
	io.ReadCloser
	n    *faulty
	once sync.Once
}

func (c *countedBody) Close() error {
	c.once.Do(func() { c.n.open.Add(-1) })
	return c.ReadCloser.Close()
}

// patient is how long a test lets a stalled request wait: long beside what an
// answered one takes, as no test depends on it.
const patient = 50 * time.Millisecond

// flaky is a network on which something happens to one request in twenty. It does not
// damage two answers near each other: what is read again and damaged again is corrupt,
// and rightly said to be.
type flaky struct {
	faulty
	fails   bool
	count   atomic.Int64
	damaged atomic.Int64 // the request whose answer was damaged last
}

// Do makes it an s3.HTTPClient.
func (f *flaky) Do(r *http.Request) (*http.Response, error) {
	one := &faulty{handler: f.handler, at: -1}
	if f.fails && rand.IntN(20) == 0 {
		kinds := []fault{lostRequest, lostAnswer, internalError, doneAndError, slowDown, resetInBody, hollowAnswer, truncated, corrupted}
		one.kind, one.at = kinds[rand.IntN(len(kinds))], 0
	}
	n, last := f.count.Add(1), f.damaged.Load()
	if one.at == 0 && (one.kind == truncated || one.kind == corrupted) && (n-last < 50 || !f.damaged.CompareAndSwap(last, n)) {
		one.at = -1
	}
	return one.Do(r)
}
