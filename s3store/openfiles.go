package s3store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hipaakit/hipaakit/envelope"
)

// openFiles knows the Files that read from S3 or from the cache's disk. One of S3 holds
// the data key of its envelope, and could go on reading for hours after the key above
// that was destroyed; each holds a little of the data.
type openFiles struct {
	mu  sync.Mutex
	all map[*File]bool
}

// add takes f in, and refuses it if its key has been destroyed meanwhile: a keyring
// wipes a key before it tells of that, so whoever can derive after he was taken in
// will be found by those who are told.
func (o *openFiles) add(ctx context.Context, f *File) error {
	o.track(f)
	if _, err := f.store.keyring.Derive(ctx, f.info.KeyID, nil); errors.Is(err, envelope.ErrKeyUnknown) {
		return err
	}
	return nil
}

// track takes f in, which has nothing to decrypt with.
func (o *openFiles) track(f *File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[*File]bool)
	}
	o.all[f] = true
}

func (o *openFiles) remove(f *File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, f)
}

// end ends the reading under one of these keys.
func (o *openFiles) end(destroyed []envelope.KeyID) {
	for _, f := range o.under(destroyed) { // not under the lock: forgetting waits for a read
		f.cancel(envelope.ErrKeyDestroyed)
		f.forget()
	}
}

func (o *openFiles) under(keys []envelope.KeyID) (files []*File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for f := range o.all {
		if slices.Contains(keys, f.info.KeyID) {
			files = append(files, f)
		}
	}
	return files
}
