package keyring

import (
	"context"
	"sync"
)

// memory is a Storage without a file system, whose waits a synctest bubble cannot
// see. Like a versioned bucket it keeps what was saved before.
type memory struct {
	mu       sync.Mutex
	doc      []byte
	old      [][]byte
	loads    int
	saves    int
	loadErr  error
	saveErr  error
	removed  int
	removing error
	onSave   func(context.Context)
	onRemove func()
}

func (m *memory) Load(ctx context.Context) ([]byte, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case m.loadErr != nil:
		return nil, "", m.loadErr
	case m.doc == nil:
		return nil, "", ErrNotFound
	}
	return m.doc, revisionOf(m.doc), nil
}

func (m *memory) Save(ctx context.Context, doc []byte, revision string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	current := ""
	if m.doc != nil {
		current = revisionOf(m.doc)
	}
	switch {
	case m.saveErr != nil:
		return m.saveErr
	case revision != current:
		return ErrChanged
	}
	if m.doc != nil {
		m.old = append(m.old, m.doc)
	}
	m.doc = doc
	if m.onSave != nil {
		m.onSave(ctx)
	}
	return nil
}

func (m *memory) RemoveOld(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.onRemove != nil {
		m.onRemove()
	}
	if m.removing == nil {
		m.removed += len(m.old)
		m.old = nil
	}
	return m.removing
}

// with changes what m does under its lock.
func (m *memory) with(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) stored() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.doc
}

// readSince is how often the document was read since it was last asked.
func (m *memory) readSince() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.loads
	m.loads = 0
	return n
}
