package s3store

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// parts sends the parts of one multipart upload, several at once.
//
// The SDK's transfer manager (feature/s3/transfermanager) would do this too, at the
// cost of one module. Read at v0.5.4, it cannot do what matters here: when the
// answer to CompleteMultipartUpload is lost it aborts the upload at once, instead of
// looking whether it took place; it retries that request as the client's options
// say; it aborts under the caller's context, which is why it leaves parts behind
// when that was cancelled, unless told a time limit; its part size is fixed, so that
// a stream of unknown length ends at 80 GiB; and it prints errors, which hold object
// names, to the standard logger.
type parts struct {
	store  *Store
	ctx    context.Context // ends with the first part that fails
	cancel context.CancelCauseFunc
	key    string
	id     string
	meter  *meter

	mu      sync.Mutex
	ended   sync.Cond // a part ended, or ctx
	running int
	sent    int64 // bytes that S3 has, and of which meter has not been told
	done    []types.CompletedPart
	free    [][]byte // buffers that nobody uses
	stop    func() bool
}

func (s *Store) newParts(ctx context.Context, key, id string, m *meter) *parts {
	p := &parts{store: s, key: key, id: id, meter: m}
	p.ended.L = &p.mu
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.stop = context.AfterFunc(p.ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended.Broadcast()
	})
	return p
}

// upload sends data as part number n, and takes it over. It blocks while too many
// are on their way.
func (p *parts) upload(n int, data []byte) error {
	p.tell()
	in := &s3.UploadPartInput{
		Bucket: &p.store.bucket, Key: &p.key, UploadId: &p.id, PartNumber: aws.Int32(int32(n)),
		ContentLength: aws.Int64(int64(len(data))),
	}
	return p.start(parallel(int64(cap(data))), func() (types.CompletedPart, error) {
		defer p.giveBack(data)
		in.ChecksumCRC32C = aws.String(crc32c(data))
		out, err := call(p.ctx, p.store, int64(len(data)), func(ctx context.Context) (*s3.UploadPartOutput, error) {
			again := *in
			again.Body = bytes.NewReader(data)
			out, err := p.store.client.UploadPart(ctx, &again, once, unsigned)
			if err == nil && aws.ToString(out.ETag) == "" {
				err = errHollow
			}
			if err != nil {
				return nil, s3Error(ctx, err)
			}
			return out, p.store.options.ServerSide.check(out.ServerSideEncryption, out.SSEKMSKeyId)
		})
		if err != nil {
			return types.CompletedPart{}, err
		}
		p.add(int64(len(data)))
		return types.CompletedPart{PartNumber: in.PartNumber, ETag: out.ETag, ChecksumCRC32C: in.ChecksumCRC32C}, nil
	})
}

// start runs send in a goroutine that wait waits for.
func (p *parts) start(most int, send func() (types.CompletedPart, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.running >= most && p.ctx.Err() == nil {
		p.ended.Wait()
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	p.running++
	go func() {
		part, err := send()
		if err != nil {
			p.cancel(err) // the others have no use any more
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, part)
		p.running--
		p.ended.Broadcast()
	}()
	return nil
}

func (p *parts) add(sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += sent
}

// tell tells the meter, on the goroutine of the upload.
func (p *parts) tell() {
	p.mu.Lock()
	sent := p.sent
	p.sent = 0
	p.mu.Unlock() // the callback may take its time
	p.meter.sent(sent)
}

// wait returns the parts in order, when all have been sent, or the first failure,
// when none is on its way any more.
func (p *parts) wait() ([]types.CompletedPart, error) {
	for p.await(1) > 0 {
		p.tell()
	}
	p.tell()
	slices.SortFunc(p.done, func(a, b types.CompletedPart) int {
		return cmp.Compare(aws.ToInt32(a.PartNumber), aws.ToInt32(b.PartNumber))
	})
	return p.done, context.Cause(p.ctx)
}

// await waits for up to so many parts to end, and returns how many are on their way.
func (p *parts) await(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for least := max(0, p.running-most); p.running > least; {
		p.ended.Wait()
	}
	return p.running
}

// buffer returns an empty buffer of size bytes. In the end there are as many as
// parts on their way, and one.
func (p *parts) buffer(size int64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.free) > 0 {
		last := len(p.free) - 1
		b := p.free[last]
		p.free = p.free[:last]
		if int64(cap(b)) == size {
			return b[:0]
		}
	}
	return p.store.buffer(size)
}

// buffer returns an empty buffer of size bytes: to have the system clear 40 MiB for
// each upload takes a good part of what sealing them does.
func (s *Store) buffer(size int64) []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok && int64(cap(*b)) == size {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

func (p *parts) giveBack(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, b)
}

// close ends what is still on its way and waits for it.
func (p *parts) close() {
	p.cancel(context.Canceled)
	p.await(math.MaxInt)
	p.stop()
	for _, b := range p.free {
		if int64(cap(b)) == p.store.options.plan.least {
			p.store.buffers.Put(&b)
		}
	}
	p.free = nil
}
