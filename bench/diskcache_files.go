package main

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileCosts is what depends on their number in a cache of files.
type fileCosts struct {
	walk   []point // one look at each file, as such a cache does when it starts
	django []point // one put of Django's cache, which lists its folder each time
}

// filesByNumber measures a folder that more and more files are put into. They are
// empty: neither a walk nor a listing looks into them.
func (s cacheBench) filesByNumber() (costs fileCosts, err error) {
	dir := filepath.Join(s.dir, "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return costs, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.python != nil {
		if _, err := s.python.ask("folder", dir); err != nil {
			return costs, err
		}
	}
	count := 0
	for _, n := range s.plan.cache.walked {
		if s.progress != nil {
			fmt.Fprintf(s.progress, "diskcache: making %s\n", quantityOf(n, "files"))
		}
		for ; count < n; count++ {
			if err := makeFile(dir, count); err != nil {
				return costs, err
			}
		}
		cs := []contender{{name: "walk", do: func(times int) error { return walk(dir, times, count) }}}
		if s.python != nil {
			cs = append(cs, s.python.contender("spend", "cryptography"))
		}
		took, err := s.pace.measure(cs)
		if err != nil {
			return costs, err
		}
		costs.walk = append(costs.walk, point{float64(n), took[0].median})
		if s.python != nil {
			costs.django = append(costs.django, point{float64(n), took[1].median})
		}
	}
	return costs, nil
}

// makeFile makes one with a name as Django's cache has them: it counts only those.
func makeFile(dir string, i int) error {
	sum := md5.Sum([]byte(keyOf(i)))
	f, err := os.OpenFile(filepath.Join(dir, hex.EncodeToString(sum[:])+".djcache"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// walk looks at each file, for size and time, and demands that there are so many.
func walk(dir string, times, atLeast int) error {
	for range times {
		seen := 0
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			seen++
			_, err = d.Info()
			return err
		})
		if err != nil {
			return err
		}
		if seen < atLeast {
			return fmt.Errorf("%d files of %d", seen, atLeast)
		}
	}
	return nil
}
