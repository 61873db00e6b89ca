package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// written is S3's answer to a write.
type written struct {
	etag, version string
	modified      time.Time
}

// commit is one request that changes what S3 has under a key, and how to tell
// afterwards whether it did.
type commit struct {
	// identity begins the envelope that is being written and no other. An ETag
	// would not do: the one of a multipart object is not known before the answer.
	// nil: there is no envelope to read back, as with a deletion.
	identity []byte
	whole    bool // identity is all of it
	when     condition
	// onlyOnce says that S3 itself takes the request a single time, however often it
	// comes: an upload that is complete cannot be completed again.
	onlyOnce bool
	size     int64 // of the body, in bytes
	send     func(context.Context, condition) (written, error)
}

// run sends the request. What it may do when the answer is not a plain yes or no:
//
//	409             S3 did not decide: again, as it was
//	412, no upload  read back: it may be our own success that stands in the way, of
//	                a try before, or because something on the way sent it twice
//	never sent      again, as it was
//	503 SlowDown    S3 did nothing, it says: read back; if it is not there, again,
//	                conditional on what was read
//	other 5xx       ambiguous, but over: the same, if what was read shows that no try
//	                has taken place. Else one may have, and somebody has written
//	                after it: a second landing would undo what he was told is done.
//	no answer       ambiguous and perhaps still on its way: read back, and again
//	                only if a second landing cannot hurt (If-Match, onlyOnce). An
//	                unconditional one would undo what others wrote after the first.
//
// With an error that is [ErrOutcomeUnknown], and where unsettled is set though the
// write succeeded, a request may still land.
func (s *Store) run(ctx context.Context, key string, c commit) (_ written, unsettled bool, _ error) {
	when, begin := c.when, time.Now()
	ambiguous := 0  // tries of which nobody knows what became
	landed := false // one of them may have taken place, and been replaced
	for try := 0; ; try++ {
		out, raw, err := s.send(ctx, c, when)
		if err == nil {
			return out, ambiguous > 0 && !c.onlyOnce, nil
		}
		if errors.Is(err, ErrOutcomeUnknown) {
			ambiguous++
		}
		if ambiguous == 0 && !inTheWay(when, raw) {
			if !worthAnother(raw, err) || !s.again(ctx, try) {
				return written{}, false, err
			}
			continue
		}
		seen, mine := s.readBack(ctx, key, c)
		switch {
		case mine: // one of the tries has landed; of several, the others may as well
			return seen.written, ambiguous > 1 && !c.onlyOnce, nil
		case ambiguous == 0:
			return written{}, false, err
		}
		since := time.Since(begin)
		if no := c.overtaken(seen, since); no != nil {
			return written{}, true, no
		}
		landed = landed || errors.Is(err, ErrOutcomeUnknown) && !didNothing(raw, seen, since)
		if !seen.ok || !c.repeatable(when, landed, raw, err) || !s.again(ctx, try) {
			return written{}, true, afterAll(ctx, err, raw)
		}
		if !landed {
			when = c.next(when, seen)
		}
	}
}

// send is one try. raw is the SDK's own error.
func (s *Store) send(ctx context.Context, c commit, when condition) (out written, raw, err error) {
	out, err = limited(ctx, s, c.size, func(ctx context.Context) (written, error) {
		var out written
		out, raw = c.send(ctx, when)
		return out, c.classify(ctx, when, raw)
	})
	if err == nil {
		s.retries.succeeded()
	}
	return out, raw, err
}

// inTheWay reports whether S3 said no because of what is there, which may be ours.
func inTheWay(when condition, raw error) bool {
	return when.broken(raw) != nil || isCode(raw, "NoSuchUpload")
}

// didNothing reports whether a try whose outcome the answer leaves open is known to
// have done nothing: S3 says so, or there is what was there before it.
func didNothing(raw error, seen sighting, since time.Duration) bool {
	return isCode(raw, "SlowDown") || statusOf(raw) >= 500 && seen.before(since)
}

// repeatable reports whether a try that was not read back may be made again. If one
// has landed and was replaced, a second landing must be impossible.
func (c commit) repeatable(when condition, landed bool, raw, err error) bool {
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return c.onlyOnce || when.etag != "" || !landed
	case landed:
		return worthAnother(raw, err)
	}
	// A no to a condition that the caller did not set is no answer to him.
	return when != c.when || worthAnother(raw, err)
}

// next is the condition of the next try, where none before it took place: the
// caller's, or, if he has none, that nobody has written since what was seen.
func (c commit) next(when condition, seen sighting) condition {
	if c.when == (condition{}) && !c.onlyOnce && c.identity != nil {
		return condition{absent: seen.etag == "", etag: seen.etag}
	}
	return when
}

// overtaken is S3's no to a conditional write whose answer was lost, if it follows
// from what was read back: an object that was there before, and that the condition
// forbids, was never replaced by ours, and keeps it from landing.
func (c commit) overtaken(seen sighting, since time.Duration) error {
	switch {
	case !seen.before(since):
	case c.when.absent:
		return reason{ErrExists, "", nil}
	case c.when.etag != "" && c.when.etag != seen.etag:
		return reason{ErrChanged, "", nil}
	}
	return nil
}

// classify says what the error of a write means.
func (c commit) classify(ctx context.Context, when condition, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrEncryption) {
		return err
	}
	if ctx.Err() == nil {
		if broken := when.broken(err); broken != nil {
			return broken
		}
	}
	return writeError(ctx, err)
}

// worthAnother reports whether a request that certainly did not take place may do
// so when it is sent again.
func worthAnother(raw, err error) bool { return conflict(raw) || errors.Is(err, ErrUnavailable) }

// afterAll is the error of a write of which one try at least was ambiguous: a no to
// a later one does not take that back.
func afterAll(ctx context.Context, err, raw error) error {
	if errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return unknown(ctx, raw)
}

// sighting is what S3 had under a key when it was read back.
type sighting struct {
	ok bool // it could be asked
	written
	age time.Duration // of the object, by S3's clock
}

// before reports whether there was that object already so long ago: nothing that was
// sent since has taken place. S3 tells the time in seconds, by one clock. Of an object
// that came in parts, whose ETag ends in their number, it tells when the upload was
// begun, which says nothing.
func (s sighting) before(since time.Duration) bool {
	return s.etag != "" && !strings.Contains(s.etag, "-") && s.age >= since+2*time.Second
}

// readBack looks whether what c sent is what S3 has.
func (s *Store) readBack(ctx context.Context, key string, c commit) (seen sighting, mine bool) {
	if ctx.Err() != nil || c.identity == nil {
		return sighting{ok: ctx.Err() == nil}, false
	}
	size := int64(len(c.identity))
	head := make([]byte, size)
	var age time.Duration
	w, err := call(ctx, s, size, func(ctx context.Context) (written, error) {
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=0-%d", size-1)),
		}, envelopes)
		if err != nil {
			return written{}, s3Error(ctx, err)
		}
		defer out.Body.Close()
		w := written{aws.ToString(out.ETag), versionOf(out.VersionId), aws.ToTime(out.LastModified).UTC()}
		if w.etag == "" {
			return w, s3Error(ctx, errHollow)
		}
		total, now := totalSize(out), serverTime(out.ResultMetadata)
		age = now.Sub(w.modified)
		_, err = io.ReadFull(body{ctx, out.Body}, head[:min(size, total)])
		mine = err == nil && bytes.Equal(head, c.identity) && (!c.whole || total == size)
		return w, err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return sighting{ok: true}, false
	case err != nil:
		return sighting{}, false
	}
	return sighting{true, w, age}, mine
}

// versionOf is a version id; S3 says "null" where it keeps no versions.
func versionOf(id *string) string {
	if v := aws.ToString(id); v != "null" {
		return v
	}
	return ""
}
