package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/s3store"
)

func objectCases() []testCase {
	return []testCase{
		{"objects of every size", false, everySize},
		{"names of every kind", false, everyName},
		{"nothing in the clear", false, nothingInTheClear},
		{"damage is refused on the wire", false, badChecksum},
		{"listing is in order and complete", false, listing},
		{"deletion", false, deletion},
		{"deletion of a prefix", false, deletionOfPrefix},
		{"copy", false, copying},
		{"a file answers that its object moved", false, fileMoved},
		{"keyring in an object", true, keyringInObject},
	}
}

func everySize(e *env) error {
	for _, n := range []int{0, 1, 1000, 100_000, 3 << 20} {
		data := noise(n, "size")
		meta := map[string]string{"kind": "noise", "ünïcode": "☃"}
		i, err := e.put("k", data, s3store.PutOptions{Metadata: meta})
		if err = first(err, e.holds("k", data)); err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		stat, err := e.plain.Stat(e.ctx, "k")
		if err != nil || stat.ETag != i.ETag || stat.ID != i.ID || stat.SealedSize != i.SealedSize || !maps.Equal(stat.Metadata, meta) {
			return fmt.Errorf("stat %+v, put %+v: %w", stat, i, err)
		}
	}
	return nil
}

func everyName(e *env) error {
	for _, key := range []string{"a b", "ä/ö", "a+b&c=d?e#f%20g", "100%", "x/y//z", "'\"<>", strings.Repeat("k", 240)} {
		_, err := e.put(key, []byte(key), s3store.PutOptions{})
		if err = first(err, e.holds(key, []byte(key))); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		if _, err := e.store.Copy(e.ctx, key, key+".copy", s3store.PutOptions{}); err != nil {
			return fmt.Errorf("copy of %q: %w", key, err)
		}
	}
	return nil
}

func nothingInTheClear(e *env) error {
	_, err := e.put("k", []byte("blood pressure 120/80"), s3store.PutOptions{Metadata: map[string]string{"patient": "jane"}})
	if err != nil {
		return err
	}
	out, err := e.client.GetObject(e.ctx, &s3.GetObjectInput{Bucket: &e.bucket, Key: aws.String("k")})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(out.Body)
	clear := bytes.Contains(raw, []byte("blood")) || bytes.Contains(raw, []byte("jane")) || len(out.Metadata) > 0
	return first(err, wrong(!clear, "plaintext in the bucket"))
}

func badChecksum(e *env) error {
	_, err := e.client.PutObject(e.ctx, &s3.PutObjectInput{
		Bucket: &e.bucket, Key: aws.String("k"), Body: strings.NewReader("data"), ChecksumCRC32C: aws.String("AAAAAA=="),
	})
	return first(wrong(err != nil, "stored under the wrong checksum"), e.holds("k", nil))
}

func listing(e *env) error {
	want := []string{"a/1", "a/2", "a/3", "b", "ä"}
	for _, key := range want {
		if _, err := e.put(key, []byte(key), s3store.PutOptions{}); err != nil {
			return err
		}
	}
	all, err := e.list("")
	some, err2 := e.list("a/")
	return first(err, err2, wrong(slices.Equal(all, want), "listed %q", all), wrong(slices.Equal(some, want[:3]), "listed %q", some))
}

func (e *env) list(prefix string) (keys []string, err error) {
	for l, err := range e.store.List(e.ctx, prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, l.Key)
	}
	return keys, nil
}

func deletion(e *env) error {
	_, err := e.put("k", []byte("x"), s3store.PutOptions{})
	return first(err, e.store.Delete(e.ctx, "k"), e.holds("k", nil), e.store.Delete(e.ctx, "k"))
}

func deletionOfPrefix(e *env) error {
	for i := range 20 {
		if _, err := e.put(fmt.Sprintf("p/%d", i), []byte("x"), s3store.PutOptions{}); err != nil {
			return err
		}
	}
	_, err := e.put("q", []byte("x"), s3store.PutOptions{})
	n, err2 := e.store.DeleteAll(e.ctx, "p/")
	left, err3 := e.list("")
	return first(err, err2, err3, wrong(n == 20 && slices.Equal(left, []string{"q"}), "%d deleted, left %q", n, left))
}

func copying(e *env) error {
	data := noise(5<<20, "copy")
	from, err := e.put("from", data, s3store.PutOptions{Metadata: map[string]string{"a": "b"}})
	if err != nil {
		return err
	}
	to, err := e.store.Copy(e.ctx, "from", "to", s3store.PutOptions{})
	return first(err, e.holds("to", data), e.holds("from", data),
		wrong(to.Metadata["a"] == "b" && to.ID != from.ID, "%+v is no sealing of its own with that metadata", to))
}

func fileMoved(e *env) error {
	if _, err := e.put("k", noise(5<<20, "old"), s3store.PutOptions{}); err != nil {
		return err
	}
	file, err := e.plain.Open(e.ctx, "k")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := e.put("k", noise(5<<20, "new"), s3store.PutOptions{}); err != nil {
		return err
	}
	_, err = file.ReadAt(make([]byte, 100), 3<<20)
	return wrong(errors.Is(err, s3store.ErrChanged), "answers %v", err)
}
