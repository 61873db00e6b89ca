package main

import (
	"io/fs"
	"path/filepath"
)

// onDisk notes how much smaller than the records a store's files are: it says what
// the page cache has to hold, and the processor's to make do with.
func (s cacheBench) onDisk(name string, ours *stocked, peers []*stocked) error {
	data := 0
	for _, n := range ours.names {
		v, err := ours.get(n)
		if err != nil {
			return err
		}
		data += v.Len()
	}
	r := result{Table: "diskcache: size on disk", Case: name, Unit: smaller, Peers: map[string]float64{}}
	for i, st := range append([]*stocked{ours}, peers...) {
		used, err := diskUsage(st.dir)
		if err != nil {
			return err
		}
		ratio := float64(data) / float64(used)
		if i == 0 {
			r.Ours = ratio
			continue
		}
		r.Peers[st.shop.name] = ratio
		r.order = append(r.order, st.shop.name)
	}
	s.add(r, goal{})
	return nil
}

// diskUsage is what the files below dir occupy, in bytes: files with holes are longer.
func diskUsage(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += occupied(info)
		}
		return err
	})
	return sum, err
}
