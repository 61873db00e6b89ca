package s3store

import "sync"

// openAhead is data of a File that was opened ahead, for who reads from front to back. The
// File belongs to one goroutine; that its key is destroyed, another one finds out.
type openAhead struct {
	mu   sync.Mutex
	data []byte
	off  int64
	over bool // the key is destroyed
}

// copy copies what there is of the data at off into p.
func (o *openAhead) copy(p []byte, off int64) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if off < o.off || off >= o.off+int64(len(o.data)) {
		return 0
	}
	return copy(p, o.data[off-o.off:])
}

// take gives the memory away, to be filled with up to n bytes without a lock.
func (o *openAhead) take(n int64) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.data
	o.data = nil
	if cap(b) == 0 {
		b = make([]byte, readChunk)
	}
	return b[:min(n, int64(cap(b)))]
}

// put takes it back, with data at off.
func (o *openAhead) put(b []byte, off int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		clear(b)
		return
	}
	o.data, o.off = b, off
}

func (o *openAhead) wipe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.data[:cap(o.data)])
	o.data, o.over = nil, true
}
