package diskcache

import (
	"errors"
	"runtime"
	"sync"
)

// parallelBytes is the plaintext from which on a record is opened on several
// cores: two take three quarters of the time that one does for 8 MiB of images. JSON
// gains from 16 MiB on, and most of an application's records gain nothing.
const parallelBytes = 8 << 20

// maxWorkers bounds the cores that one hit may take from the others.
const maxWorkers = 4

// parallel opens the chunks behind the first, each worker a run of them.
func (o *opened) parallel(out []byte) error {
	first := o.firstBehind()
	behind := o.chunks() - first
	workers := min(runtime.GOMAXPROCS(0), maxWorkers, behind)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		from, to := first+behind*w/workers, first+behind*(w+1)/workers
		wg.Go(func() { errs[w] = o.chunksFrom(from, to, out, &scratch{}) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
