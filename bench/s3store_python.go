package main

import (
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

//go:embed s3store.py
var storeScript []byte

// storePython is the child that runs s3store.py. A nil one is not there.
type storePython struct {
	*python
	dir string
}

var errNoBoto = errors.New("no python3 here has both boto3 and pycryptodome; scripts/install-test-tools.sh installs them")

func startStorePython(dir string, s *s3Server) (*storePython, error) {
	p, err := startPython(dir, "s3store_bench.py", storeScript, errNoBoto, s.url, benchAccessKey, s.secret, s.certificate, benchBucket)
	if err != nil {
		return nil, err
	}
	return &storePython{p, dir}, nil
}

// prepare has the child store data under key, and read it back.
func (p *storePython) prepare(key string, data []byte) error {
	file := filepath.Join(p.dir, "for python")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	answer, err := p.ask("prepare", key, file)
	if err == nil && answer != "same" {
		err = errors.New("s3store.py: what was read is not what was stored")
	}
	return err
}

const pythonName = "boto3+zlib+AES-GCM"

func (p *storePython) putting() contender { return p.doing("put") }
func (p *storePython) getting() contender { return p.doing("get") }

func (p *storePython) doing(command string) contender {
	return contender{name: pythonName, do: func(n int) error {
		_, err := p.ask(command, strconv.Itoa(n))
		return err
	}}
}

func (p *storePython) close() error {
	if p == nil {
		return nil
	}
	return p.python.close()
}
