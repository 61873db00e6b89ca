package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/s3store"
)

func versionCases() []testCase {
	return []testCase{
		{"versions are listed and read", true, versions},
		{"restore of what was replaced", true, func(e *env) error { return restored(e, 1000, false) }},
		{"restore over a deletion", true, func(e *env) error { return restored(e, 1000, true) }},
		{"restore of a large object", true, func(e *env) error { return restored(e, 17<<20, true) }},
		{"a file goes on reading its version", true, fileStays},
	}
}

func (e *env) versions(key string) (all []s3store.Version, err error) {
	for v, err := range e.store.Versions(e.ctx, key) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func versions(e *env) error {
	for _, data := range []string{"one", "two"} {
		if _, err := e.put("k", []byte(data), s3store.PutOptions{}); err != nil {
			return err
		}
	}
	_, err := e.put("k2", []byte("another key"), s3store.PutOptions{})
	if err := first(err, e.store.Delete(e.ctx, "k")); err != nil {
		return err
	}
	all, err := e.versions("k")
	if err := first(err, wrong(len(all) == 3 && all[0].Latest && all[0].Deleted, "versions %+v", all)); err != nil {
		return err
	}
	got := map[string]bool{}
	for _, v := range all[1:] {
		o, err := e.store.GetVersion(e.ctx, "k", v.ID)
		if err != nil || o.ETag != v.ETag || v.Latest || v.Deleted {
			return fmt.Errorf("%+v: %+v, %w", v, o.Info, err)
		}
		got[string(o.Data.Bytes())] = true
	}
	_, gone := e.store.GetVersion(e.ctx, "k", all[0].ID)
	return first(wrong(got["one"] && got["two"], "read %v", got), wrong(errors.Is(gone, s3store.ErrNotFound), "a deletion was read: %v", gone))
}

func restored(e *env, n int, deleted bool) error {
	data := noise(n, "restore")
	old, err := e.put("k", data, s3store.PutOptions{})
	if err != nil {
		return err
	}
	if _, err = e.put("k", []byte("a mistake"), s3store.PutOptions{}); deleted {
		err = first(err, e.store.Delete(e.ctx, "k"), e.holds("k", nil))
	}
	if err := first(err, e.rotate()); err != nil {
		return err
	}
	now, err := e.store.Restore(e.ctx, "k", old.Version)
	if err := first(err, e.holds("k", data), wrong(now.ID == old.ID && now.Version != old.Version, "restored %+v", now)); err != nil {
		return err
	}
	_, none := e.store.Restore(e.ctx, "other", old.Version)
	return wrong(none != nil, "a version of another key was restored")
}

func fileStays(e *env) error {
	data := noise(6<<20, "stays")
	if _, err := e.put("k", data, s3store.PutOptions{}); err != nil {
		return err
	}
	file, err := e.plain.Open(e.ctx, "k")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := e.put("k", []byte("new"), s3store.PutOptions{}); err != nil {
		return err
	}
	got, err := io.ReadAll(file)
	return first(err, wrong(bytes.Equal(got, data), "other data"))
}

func keyringInObject(e *env) error {
	storage := s3store.KeyringObject(e.client, e.bucket, "keys/ring", s3store.ServerSideEncryption{})
	_, _, err := storage.Load(e.ctx)
	if err := wrong(errors.Is(err, keyring.ErrNotFound), "none yet: %v", err); err != nil {
		return err
	}
	if err := storage.Save(e.ctx, []byte("one"), ""); err != nil {
		return err
	}
	doc, revision, err := storage.Load(e.ctx)
	if err := first(err, wrong(string(doc) == "one", "loaded %q", doc), storage.Save(e.ctx, []byte("two"), revision)); err != nil {
		return err
	}
	stale, exists := storage.Save(e.ctx, []byte("three"), revision), storage.Save(e.ctx, []byte("four"), "")
	if err := first(wrong(errors.Is(stale, keyring.ErrChanged), "an old revision: %v", stale),
		wrong(errors.Is(exists, keyring.ErrChanged), "created twice: %v", exists)); err != nil {
		return err
	}
	if err := storage.(interface{ RemoveOld(context.Context) error }).RemoveOld(e.ctx); err != nil {
		return err
	}
	all, err := e.versions("keys/ring")
	doc, _, err2 := storage.Load(e.ctx)
	return first(err, err2, wrong(len(all) == 1 && string(doc) == "two", "left %+v, %q", all, doc))
}
