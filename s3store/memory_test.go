package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// largeVar, set to 1, makes the object of TestMemoryIsBounded 5 GiB large. That takes
// some minutes, and as much disk.
const largeVar = "HIPAAKIT_LARGE"

// aloneVar marks the process that does the measuring.
const aloneVar = "HIPAAKIT_MEASURE_HEAP"

// TestMemoryIsBounded streams an object up and down, its length known to nobody, and
// watches the heap of a process that does nothing else: what other tests have left
// there would count, and would let the collector wait longer.
func TestMemoryIsBounded(t *testing.T) {
	if os.Getenv(aloneVar) == "1" {
		streamWithinBounds(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestMemoryIsBounded$", "-test.v")
	cmd.Env = append(os.Environ(), aloneVar+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	case err != nil || !bytes.Contains(out, []byte("MiB down")):
		t.Errorf("%v\n%s", err, out)
	default:
		t.Logf("%s", out)
	}
}

func streamWithinBounds(t *testing.T) {
	const most = 128 << 20
	size := int64(256 << 20)
	if raceEnabled {
		size = 128 << 20 // the detector makes it ten times as slow
	}
	if os.Getenv(largeVar) == "1" {
		size = 5 << 30
	}
	server := testbed.VersityGW(t)
	hc := server.Client()
	t.Cleanup(hc.CloseIdleConnections)
	client := newClient(server.URL, hc, server.AccessKey, server.SecretKey)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	kr := newKeyring(t)
	s := newStore(t, client, kr, Options{Cache: openCache(t, t.TempDir(), kr)})

	up, sum := peakHeap(t, func() hash.Hash {
		source := &endless{rest: size, sum: sha256.New(), noise: rand.NewChaCha8([32]byte{1})}
		begin := time.Now()
		i, err := s.Put(t.Context(), "large", source, PutOptions{})
		if err != nil || i.Size != size {
			t.Fatalf("%+v, %v", i, err)
		}
		t.Logf("up: %.0f MB/s, %d bytes sealed", float64(size)/1e6/time.Since(begin).Seconds(), i.SealedSize)
		return source.sum
	})
	download := func() hash.Hash {
		file, err := s.Open(t.Context(), "large")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		sum := sha256.New()
		begin := time.Now()
		if n, err := io.Copy(sum, file); err != nil || n != size {
			t.Fatalf("%d bytes, %v", n, err)
		}
		t.Logf("down: %.0f MB/s, ranges %d", float64(size)/1e6/time.Since(begin).Seconds(), s.Stats().Ranges)
		return sum
	}
	kept, got := peakHeap(t, download) // from the cache
	s.drop("large")
	down, gotToo := peakHeap(t, download) // from S3, into the cache
	if !bytes.Equal(sum.Sum(nil), got.Sum(nil)) || !bytes.Equal(sum.Sum(nil), gotToo.Sum(nil)) {
		t.Error("other data came down than went up")
	}
	t.Logf("heap: %d MiB up, %d MiB from the cache, %d MiB down", up>>20, kept>>20, down>>20)
	if max(up, kept, down) > most {
		t.Errorf("%d, %d and %d bytes of heap, at most %d", up, kept, down, most)
	}
	if st := s.Stats(); st.Hits != 1 || st.Ranges == 0 {
		t.Errorf("not one from the cache and one from S3: %+v", st)
	}
}

// peakHeap is the most memory that objects on the heap took while f ran, what is
// garbage but not yet collected included.
func peakHeap(t *testing.T, f func() hash.Hash) (peak uint64, sum hash.Hash) {
	runtime.GC()
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var most uint64
		for ctx.Err() == nil {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			time.Sleep(time.Millisecond)
		}
		watched <- most
	}()
	sum = f()
	cancel()
	return <-watched, sum
}

// endless is data of which every other block compresses.
type endless struct {
	rest  int64
	block [8 << 10]byte
	at    int
	count uint64
	sum   hash.Hash
	noise *rand.ChaCha8
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == 0 {
		return 0, io.EOF
	}
	if e.at == len(e.block) || e.count == 0 {
		e.at = 0
		if e.count++; e.count%2 == 0 {
			e.noise.Read(e.block[:])
		} else {
			clear(e.block[:])
			binary.BigEndian.PutUint64(e.block[100:], e.count)
		}
	}
	n := copy(p[:min(int64(len(p)), e.rest)], e.block[e.at:])
	e.at += n
	e.rest -= int64(n)
	e.sum.Write(p[:n])
	return n, nil
}
