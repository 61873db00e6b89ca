package main

import (
	"errors"
	"os"
	"path/filepath"
)

// puts stores records under keys that are new. Nobody waits for the disk; what it
// takes to get the pages there later is nobody's turn.
func (s cacheBench) puts() (err error) {
	const bytes = 4 << 10
	records := cut(s.text.data, bytes, 1024)
	few := records[:64] // what they begin with
	ours, err := s.stock(ourShop(), few)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.remove()) }()
	m := match{
		table: "diskcache: put", bytes: bytes, note: s.noPython,
		ours: []entrant{{size(bytes) + " " + s.text.name, goal{peer: createRename, factor: 1, most: 10_000}, ours.writing(records)}},
	}
	var files []string
	for _, shop := range []shop{fileShop(), badgerShop(), diskvShop(), bboltShop(), pebbleShop()} {
		peer, err := s.stock(shop, few)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, peer.remove()) }()
		writes := peer.writing(records)
		if shop.name == readFile {
			writes.name, files = createRename, peer.names
		}
		m.peers = append(m.peers, writes)
	}
	if s.python != nil {
		dir := filepath.Join(s.dir, "django")
		if err := s.python.djangoCache(dir, files, few); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		m.peers = append(m.peers, s.python.contenders("write")...)
	}
	return s.play(m)
}

const createRename = "create+rename"
