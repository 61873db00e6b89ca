package s3store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"

	"github.com/hipaakit/hipaakit/envelope"
)

// Put seals what data holds and stores it under key, replacing what was there.
// When it returns without an error, S3 has the object, this node's cache too (if it
// takes anything so large), and no node serves an older one.
//
// data may be of any length, known or not. What is sealed into less than 8 MiB is
// one request. More is a multipart upload, four parts at once, aborted on any error;
// it holds 40 MiB, plus up to [Options.MaxInMemory] of data for the cache. Of objects
// above 8 GiB whose size is not known, and above 80 GiB in any case, parts grow: see
// [PutOptions.Size].
//
// Errors: [ErrExists], [ErrChanged], [ErrTooLarge], [ErrDenied], [ErrRefused],
// [ErrUnavailable], [ErrSource] (nothing was changed), [ErrEncryption],
// [ErrOutcomeUnknown], [ErrInvalid], [ErrClosed], or what keyring or ctx answered.
func (s *Store) Put(ctx context.Context, key string, data io.Reader, o PutOptions) (Info, error) {
	info, err := s.put(ctx, key, data, o)
	return info, failure("put", key, err)
}

func (s *Store) put(ctx context.Context, key string, data io.Reader, o PutOptions) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	if data == nil {
		return Info{}, fmt.Errorf("%w: no data; use strings.NewReader(\"\") for an empty object", ErrInvalid)
	}
	when, err := o.condition()
	if err != nil {
		return Info{}, err
	}
	size, err := sizeOf(data, o.Size)
	if err != nil {
		return Info{}, err
	}
	p := &putting{store: s, key: key, options: o, when: when, size: size, probably: guess(data, size)}
	p.meter = newMeter(o.Progress, p.probably)
	p.source = &source{ctx: ctx, r: data, most: s.options.MaxObject, meter: p.meter}
	return p.run(ctx)
}

func (p *putting) run(ctx context.Context) (info Info, err error) {
	s := p.store
	var ended bool
	if p.size <= s.options.plan.least { // else there is nothing to find out
		p.first, ended, err = p.source.begin(min(s.options.plan.least, s.options.MaxObject), p.probably)
	}
	if err != nil {
		return Info{}, err
	}
	if ended && p.size >= 0 && p.size != int64(len(p.first)) {
		return Info{}, errLength(nil)
	}
	put := p.stream
	if ended {
		put = p.whole
	}
	err = s.write(ctx, p.key, func(ctx context.Context, c *change) error {
		info, err = put(ctx, c)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	s.stats.puts.Add(1)
	return info, nil
}

func errLength(err error) error {
	return reason{ErrSource, "it is not as long as it was said to be", err}
}

// putting is one Put.
type putting struct {
	store   *Store
	key     string
	options PutOptions
	when    condition
	source  *source
	first   []byte // of the source, read already
	meter   *meter
	header  envelope.Info // of what was sealed
	// size of the data, certainly and probably; -1: not known
	size, probably int64
}

func (p *putting) sealing() envelope.Options {
	return envelope.Options{Compression: p.options.Compression, Keys: p.options.Keys, Name: p.key, Metadata: p.options.Metadata}
}

// whole puts data that is in memory already.
func (p *putting) whole(ctx context.Context, c *change) (Info, error) {
	s, plain := p.store, p.first
	c.begin()
	sealed, err := envelope.Seal(ctx, nil, plain, s.keyring, s.binding(p.key), p.sealing())
	if err != nil {
		return Info{}, sealError(err)
	}
	u := s.newUpload(ctx, c, s.options.plan, p.meter)
	u.buf, u.total, u.identity = sealed, int64(len(sealed)), bytes.Clone(sealed[:prefixSize])
	if p.header, err = s.headerOf(ctx, p.key, sealed); err != nil {
		return Info{}, err
	}
	kept := newCollected(c, int64(len(plain)))
	defer func() { kept.stream.abort() }()
	if int64(len(plain)) <= s.options.MaxInMemory {
		kept.all = plain
	} else {
		kept.Write(plain)
	}
	return p.finish(ctx, u, int64(len(plain)), kept)
}

// stream seals and sends while it reads.
func (p *putting) stream(ctx context.Context, c *change) (Info, error) {
	s := p.store
	c.begin()
	u := s.newUpload(ctx, c, s.options.plan.sized(p.probably), p.meter)
	defer u.abandon()
	o := p.sealing()
	o.Size = max(p.size, 0)
	p.source.ctx = ctx // it ends with the store as well
	w, err := envelope.NewWriter(ctx, u, s.keyring, s.binding(p.key), o)
	if err != nil {
		return Info{}, p.blame(u, err)
	}
	if p.header, err = s.headerOf(ctx, p.key, u.head); err != nil {
		return Info{}, err
	}
	u.head = nil
	kept := newCollected(c, p.probably)
	defer func() { kept.stream.abort() }()
	all := &twoWriters{kept, w}
	kept.take(p.first)
	_, err = w.Write(p.first)
	p.first = nil // not for as long as the upload takes
	if err == nil {
		_, err = p.source.WriteTo(all)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return Info{}, p.blame(u, err)
	}
	return p.finish(ctx, u, p.source.read, kept)
}

// headerOf is what a header just made says of itself: which version of a key it was
// sealed under, the keyring might answer otherwise when it is asked again.
func (s *Store) headerOf(ctx context.Context, key string, sealed []byte) (envelope.Info, error) {
	r, err := envelope.NewReader(ctx, bytes.NewReader(sealed), s.keyring, s.binding(key))
	if err != nil {
		return envelope.Info{}, sealError(err)
	}
	return r.Info(), nil
}

// blame says whose error it was that ended the sealing: the source's, the
// upload's, or the envelope's own.
func (p *putting) blame(u *upload, err error) error {
	switch {
	case p.source.err != nil:
		return p.source.err
	case u.ctx.Err() != nil:
		return context.Cause(u.ctx)
	case u.failed != nil:
		return u.failed
	case errors.Is(err, envelope.ErrSize):
		return errLength(err)
	}
	return sealError(err)
}

// finish commits, and writes through to the cache.
func (p *putting) finish(ctx context.Context, u *upload, size int64, kept *collected) (Info, error) {
	out, err := u.commit(p.when)
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Key: p.key, ETag: out.etag, Version: out.version, Size: size, SealedSize: u.total, Modified: out.modified,
		ID: p.header.ID, KeyID: p.header.Key, Metadata: maps.Clone(p.options.Metadata),
	}
	kept.insert(ctx, info)
	return info, nil
}

func crc32c(b []byte) string {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
