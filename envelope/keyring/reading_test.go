package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// countingStorage counts readings.
type countingStorage struct {
	Storage
	loads atomic.Int32
}

func (s *countingStorage) Load(ctx context.Context) ([]byte, string, error) {
	s.loads.Add(1)
	return s.Storage.Load(ctx)
}

func TestUnknownVersionIsReadOnceForAllWhoWait(t *testing.T) {
	writer, path := testKeyring(t)
	storage := &countingStorage{Storage: File(path)}
	reader, err := Open(t.Context(), storage, testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Rotate(t.Context(), envelope.DefaultKey); err != nil {
		t.Fatal(err)
	}
	storage.loads.Store(0)
	reader.turn <- struct{}{} // hold everybody back until all have asked
	asked := reader.readings.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := reader.reread(t.Context(), asked); err != nil {
				t.Error(err)
			}
			if _, err := reader.Derive(t.Context(), id(2), nil); err != nil {
				t.Error(err)
			}
		})
	}
	<-reader.turn
	wg.Wait()
	if n := storage.loads.Load(); n != 1 {
		t.Fatalf("the document was read %d times", n)
	}
	if _, err := reader.Derive(t.Context(), id(99), nil); !errors.Is(err, envelope.ErrKeyUnknown) {
		t.Fatalf("a version that nobody made: %v", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	k, _ := testKeyring(t)
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Derive(ctx, id(7), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// twoNodes returns keyrings of two processes over one document.
func twoNodes(t *testing.T) (writer, reader *Keyring, m *memory) {
	t.Helper()
	m = &memory{}
	writer, err := Create(t.Context(), m, testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	reader, err = Open(t.Context(), m, testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	m.readSince()
	return writer, reader, m
}

// TestForgedSlotsCauseOneReading asks as an envelope does whose header anybody
// can write: for sixteen keys that nobody made.
func TestForgedSlotsCauseOneReading(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		_, reader, m := twoNodes(t)
		for i := range uint32(16) {
			if _, err := reader.Derive(t.Context(), id(2+i), nil); !errors.Is(err, envelope.ErrKeyUnknown) {
				t.Fatal(err)
			}
			if _, err := reader.Latest(t.Context(), fmt.Sprint("nobody-", i)); !errors.Is(err, envelope.ErrKeyUnknown) {
				t.Fatal(err)
			}
		}
		if n := m.readSince(); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		time.Sleep(vainPause)
		reader.Derive(t.Context(), id(9), nil)
		if n := m.readSince(); n != 1 {
			t.Errorf("a second later it was read %d times", n)
		}
	})
}

func TestNameThatNoDocumentCanHoldIsNotLookedFor(t *testing.T) {
	_, reader, m := twoNodes(t)
	for _, name := range []string{"", "Jane Doe", strings.Repeat("x", maxName+1), "a\nb"} {
		if _, err := reader.Latest(t.Context(), name); !errors.Is(err, envelope.ErrKeyUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := m.readSince(); n != 0 {
		t.Errorf("the document was read %d times", n)
	}
}

func TestVersionAddedAfterAVainReadingIsFoundASecondLater(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		writer, reader, _ := twoNodes(t)
		reader.Derive(t.Context(), id(99), nil)
		if _, err := writer.Rotate(t.Context(), envelope.DefaultKey); err != nil {
			t.Fatal(err)
		}
		time.Sleep(vainPause)
		if _, err := reader.Derive(t.Context(), id(2), nil); err != nil {
			t.Error(err)
		}
	})
}

// TestReadingThatFoundSomethingIsNoReasonToWait rotates twice in a moment.
func TestReadingThatFoundSomethingIsNoReasonToWait(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		writer, reader, _ := twoNodes(t)
		for v := range uint32(3) {
			if _, err := writer.Rotate(t.Context(), envelope.DefaultKey); err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Derive(t.Context(), id(2+v), nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNameAddedElsewhereIsFound(t *testing.T) {
	writer, reader, m := twoNodes(t)
	if _, err := writer.Rotate(t.Context(), "tenant-7"); err != nil {
		t.Fatal(err)
	}
	m.readSince()
	want := envelope.KeyID{Name: "tenant-7", Version: 1}
	for range 2 {
		if got, err := reader.Latest(t.Context(), "tenant-7"); got != want || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	if n := m.readSince(); n != 1 {
		t.Errorf("the document was read %d times", n)
	}
}

// TestFailedReadingIsSharedByAllWhoAsk: a storage in trouble is not asked by every
// request, and is asked again a second later.
func TestFailedReadingIsSharedByAllWhoAsk(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		writer, reader, m := twoNodes(t)
		if _, err := writer.Rotate(t.Context(), envelope.DefaultKey); err != nil {
			t.Fatal(err)
		}
		m.readSince()
		m.with(func() { m.loadErr = errOutage })
		for range 50 {
			if _, err := reader.Derive(t.Context(), id(2), nil); !errors.Is(err, errOutage) {
				t.Fatal(err)
			}
		}
		if n := m.readSince(); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		m.with(func() { m.loadErr = nil })
		time.Sleep(vainPause)
		mustDerive(t, reader, id(2))
	})
}

func TestOutageIsForgottenWithTheFirstGoodReading(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		writer, reader, m := twoNodes(t)
		m.with(func() { m.loadErr = errOutage })
		if _, err := reader.Derive(t.Context(), id(2), nil); !errors.Is(err, errOutage) {
			t.Fatal(err)
		}
		m.with(func() { m.loadErr = nil })
		if err := reader.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustRotate(t, writer, envelope.DefaultKey)
		mustDerive(t, reader, id(2))
	})
}

// slowStorage loads at once and answers a second later.
type slowStorage struct {
	*memory
	slow atomic.Bool
}

func (s *slowStorage) Load(ctx context.Context) ([]byte, string, error) {
	doc, revision, err := s.memory.Load(ctx)
	if s.slow.Load() {
		time.Sleep(time.Second)
	}
	return doc, revision, err
}

// TestReadingThatBeganBeforeTheQuestionDoesNotAnswerIt: version 3 is there before
// it is asked for, and after the reading under way has loaded the document.
func TestReadingThatBeganBeforeTheQuestionDoesNotAnswerIt(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		writer, _, m := twoNodes(t)
		s := &slowStorage{memory: m}
		reader := openTest(t, s, testProtector(t, 1))
		s.slow.Store(true)
		mustRotate(t, writer, envelope.DefaultKey)
		done := make(chan error, 1)
		go func() {
			_, err := reader.Derive(t.Context(), id(2), nil)
			done <- err
		}()
		time.Sleep(500 * time.Millisecond)
		mustRotate(t, writer, envelope.DefaultKey)
		mustDerive(t, reader, id(3))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
