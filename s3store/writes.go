package s3store

import (
	"sync"
	"sync/atomic"
)

// writes knows which keys this node is writing. Between the moment when a write
// can take effect and the moment when the cache knows of it, a key is in doubt:
// what is cached may be old on this very node.
type writes struct {
	open atomic.Int64 // so that a hit without any write under way takes no lock
	mu   sync.Mutex
	keys map[string]*doubt
}

type doubt struct {
	count      int
	overlapped bool
}

// begin puts key in doubt until end.
func (w *writes) begin(key string) *doubt {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open.Add(1)
	if w.keys == nil {
		w.keys = make(map[string]*doubt)
	}
	d := w.keys[key]
	if d == nil {
		d = &doubt{}
		w.keys[key] = d
	}
	d.count++
	d.overlapped = d.overlapped || d.count > 1
	return d
}

func (w *writes) end(key string, d *doubt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open.Add(-1)
	if d.count--; d.count == 0 {
		delete(w.keys, key)
	}
}

// alone reports whether no other write of this node touched the key meanwhile.
// Which of two overlapping writes S3 keeps is not ours to guess.
func (w *writes) alone(d *doubt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !d.overlapped
}

func (w *writes) doubts(key string) bool {
	if w.open.Load() == 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[key] != nil
}
