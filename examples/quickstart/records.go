package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hipaakit/hipaakit/s3store"
)

// records is the storage part of the tour: two nodes, one bucket.
type records struct {
	*report
	cluster *cluster
	files   []input
	a, b    *node
}

func (r *records) run(ctx context.Context) (err error) {
	if err := r.join(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.a.stop(ctx), r.b.stop(ctx)) }()
	for _, step := range []func(context.Context) error{
		r.storeThroughA, r.readThroughB, r.restartB, r.overwriteThroughB, r.deleteThroughA, r.lookForPlaintext,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *records) join(ctx context.Context) error {
	client, w := r.cluster.s3.connect()
	defer w.disconnect()
	if err := makeBucket(ctx, client); err != nil {
		return fmt.Errorf("making the bucket: %w", err)
	}
	if err := r.cluster.reserve("node-a", "node-b"); err != nil {
		return err
	}
	var err error
	if r.a, err = r.cluster.start(ctx, "node-a", 0); err != nil {
		return err
	}
	if r.b, err = r.cluster.start(ctx, "node-b", 0); err != nil {
		return errors.Join(err, r.a.stop(ctx))
	}
	return awaitFresh(ctx, r.a, r.b)
}

func (r *records) storeThroughA(ctx context.Context) error {
	r.heading("Every file is stored through node A")
	for _, f := range r.files {
		began := time.Now()
		info, err := r.a.store.Put(ctx, f.name, bytes.NewReader(f.data), s3store.PutOptions{})
		if err != nil {
			return err
		}
		r.report.files = append(r.report.files, row{name: f.name, size: info.Size, sealed: info.SealedSize, put: time.Since(began)})
	}
	w := r.a.wire
	r.check(w.writes.Load() == int64(len(r.files)), "%d files, %d writes to S3", len(r.files), w.writes.Load())
	r.check(w.unencrypted.Load() == 0, "every write asked for S3's own encryption as well")
	return nil
}

// readAll reads every file through n and notes the times. It returns how many
// came back as they were.
func (r *records) readAll(ctx context.Context, n *node, note func(*row, time.Duration)) (same int, err error) {
	for i, f := range r.files {
		began := time.Now()
		o, err := n.store.Get(ctx, f.name)
		took := time.Since(began)
		if err != nil {
			return same, err
		}
		note(&r.report.files[i], took)
		if bytes.Equal(o.Data.Bytes(), f.data) {
			same++
		}
	}
	return same, nil
}

func (r *records) readThroughB(ctx context.Context) error {
	r.heading("Node B reads them: from S3, then from its own memory")
	same, err := r.readAll(ctx, r.b, func(f *row, d time.Duration) { f.miss = d })
	if err != nil {
		return err
	}
	fetched := r.b.store.Stats().Fetched
	r.check(same == len(r.files) && fetched == int64(same), "%d files read from S3, %d equal to the byte", fetched, same)
	asked := r.b.wire.reads.Load()
	if same, err = r.readAll(ctx, r.b, func(f *row, d time.Duration) { f.memory = d }); err != nil {
		return err
	}
	r.check(same == len(r.files) && r.b.wire.reads.Load() == asked, "%d files again, equal to the byte, S3 not asked", same)
	return nil
}

func (r *records) restartB(ctx context.Context) error {
	r.heading("Node B restarts: its cache is still there, but suspect")
	if err := r.b.stop(ctx); err != nil {
		return err
	}
	// Without its memory tier, so that the hits below are disk hits.
	b, err := r.cluster.start(ctx, "node-b", -1)
	if err != nil {
		return err
	}
	r.b = b
	if err := awaitFresh(ctx, r.a, r.b); err != nil {
		return err
	}
	same, err := r.readAll(ctx, r.b, func(f *row, d time.Duration) { f.confirm = d })
	if err != nil {
		return err
	}
	n, w := int64(len(r.files)), r.b.wire
	r.check(same == len(r.files), "%d files read, equal to the byte", same)
	r.check(w.reads.Load() == n && w.unchanged.Load() == n && w.bodyBytes.Load() == 0,
		"each confirmed with S3 once (%d requests, %d times \"not modified\"), %d bytes of bodies fetched",
		w.reads.Load(), w.unchanged.Load(), w.bodyBytes.Load())
	if same, err = r.readAll(ctx, r.b, func(f *row, d time.Duration) { f.disk = d }); err != nil {
		return err
	}
	r.check(same == len(r.files) && w.reads.Load() == n, "%d files again, from disk, equal to the byte, S3 not asked", same)
	return nil
}

// overwriteThroughB changes a file many times through B while A, which has it
// cached, is read all the time.
func (r *records) overwriteThroughB(ctx context.Context) error {
	const times = 25
	name := r.files[0].name
	r.heading("Node B overwrites a file that node A has cached")
	watch := watcher{node: r.a, name: name, ended: make(chan struct{})}
	var watching sync.WaitGroup
	watching.Go(func() { watch.run(ctx) })
	stale := 0
	var err error
	for v := 1; v <= times && err == nil; v++ {
		if _, err = r.b.store.Put(ctx, name, bytes.NewReader(versionOf(v)), s3store.PutOptions{}); err != nil {
			break
		}
		var o s3store.Object
		if o, err = r.a.store.Get(ctx, name); err == nil && !bytes.Equal(o.Data.Bytes(), versionOf(v)) {
			stale++
		}
	}
	close(watch.ended)
	watching.Wait()
	if err = errors.Join(err, watch.err); err != nil {
		return err
	}
	r.check(stale == 0, "%d overwrites: node A served the new version at once, the old one %d times", times, stale)
	r.check(watch.backwards == 0, "%d reads of node A meanwhile, %d of them went back in time", watch.reads, watch.backwards)
	r.files[0].data = versionOf(times)
	return nil
}

func versionOf(v int) []byte { return fmt.Appendf(nil, "version %06d of the record", v) }

// watcher reads a file over and over and counts reads that are older than one
// before.
type watcher struct {
	node             *node
	name             string
	ended            chan struct{}
	reads, backwards int
	err              error
}

func (w *watcher) run(ctx context.Context) {
	last := 0
	for {
		select {
		case <-w.ended:
			return
		default:
		}
		o, err := w.node.store.Get(ctx, w.name)
		if err != nil {
			w.err = err
			return
		}
		v := 0
		fmt.Sscanf(string(o.Data.Bytes()), "version %d", &v)
		if v < last {
			w.backwards++
		}
		last = max(last, v)
		w.reads++
	}
}

func (r *records) deleteThroughA(ctx context.Context) error {
	r.heading("Node A deletes a file")
	gone := r.files[len(r.files)-1]
	if err := r.a.store.Delete(ctx, gone.name); err != nil {
		return err
	}
	for _, n := range []*node{r.a, r.b} {
		_, err := n.store.Get(ctx, gone.name)
		r.check(errors.Is(err, s3store.ErrNotFound), "%s says: %v", n.name, err)
	}
	return nil
}
