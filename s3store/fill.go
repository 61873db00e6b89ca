package s3store

import "sync"

// fill caches a File of ranges while it is read from its beginning to its end. Reading
// from somewhere else, or a gap, ends it: nobody asked for all of the object. Going back
// to the beginning begins it anew: http.ServeContent does so, to find out what it is.
type fill struct {
	mu    sync.Mutex // a File may be closed while it is read
	store *Store
	key   string
	fence fences
	to    *stream // nil: not begun
	at    int64
	over  bool
}

// newFill captures the fences. Call it before S3 is asked what the object is. nil: it
// may not be cached.
func (s *Store) newFill(key, version string) *fill {
	if s.cache == nil || version != "" {
		return nil
	}
	f := &fill{store: s, key: key, fence: s.fences(key)}
	if s.writes.doubts(key) { // in this order, as for [filling]
		return nil
	}
	return f
}

// took is told of what has just been read from where the File is.
func (f *fill) took(p []byte, file *File) {
	if f == nil || len(p) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	if file.pos == 0 && f.at > 0 {
		f.stop()
	}
	if file.pos != f.at || f.at == 0 && !f.begin(file.size) {
		f.end()
		return
	}
	f.to.w.Write(p)
	if f.at += int64(len(p)); f.at == file.size {
		f.store.reportCache("fill", f.to.commit(file.info))
		f.end()
	}
}

func (f *fill) begin(size int64) bool {
	if !f.store.fills.begin(f.key) {
		return false
	}
	if f.to = f.store.newStream(f.key, size, f.fence); f.to == nil {
		f.store.fills.end(f.key)
	}
	return f.to != nil
}

// abort ends what is not complete; nil has nothing to end.
func (f *fill) abort() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.end()
	}
}

func (f *fill) end() {
	f.over = true
	f.stop()
}

// stop undoes begin.
func (f *fill) stop() {
	if f.to != nil {
		f.to.abort()
		f.to, f.at = nil, 0
		f.store.fills.end(f.key)
	}
}

// fills knows which keys are being filled: one reader is enough.
type fills struct {
	mu  sync.Mutex
	now map[string]bool
}

func (f *fills) begin(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[key] {
		return false
	}
	if f.now == nil {
		f.now = make(map[string]bool)
	}
	f.now[key] = true
	return true
}

func (f *fills) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, key)
}
