package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed s3store.py
var storeScript []byte

// storePython is a child that runs s3store.py. A nil one is not there.
type storePython struct {
	dir    string
	child  *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *strings.Builder
}

var errNoBoto = errors.New("no python3 here has both boto3 and pycryptodome; scripts/install-test-tools.sh installs them")

// startStorePython starts the first of pythons that has what it takes.
func startStorePython(dir string, s *s3Server) (*storePython, error) {
	script := filepath.Join(dir, "s3store_bench.py")
	if err := os.WriteFile(script, storeScript, 0o600); err != nil {
		return nil, err
	}
	children, err := interpreters("-B", script, s.url, benchAccessKey, s.secret, s.certificate, benchBucket)
	if err != nil {
		return nil, err
	}
	for _, child := range children {
		p := &storePython{dir: dir, child: child}
		if err := p.start(); err == nil {
			return p, nil
		}
	}
	return nil, errNoBoto
}

func (p *storePython) start() (err error) {
	if p.in, err = p.child.StdinPipe(); err != nil {
		return err
	}
	out, err := p.child.StdoutPipe()
	if err != nil {
		return err
	}
	p.out, p.errors = bufio.NewReader(out), &strings.Builder{}
	p.child.Stderr = p.errors
	if err := p.child.Start(); err != nil {
		return err
	}
	_, err = p.answer()
	return err
}

// answer is the child's next line, or what it said when it died.
func (p *storePython) answer() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		_ = p.child.Wait() // then it has said everything
		return "", fmt.Errorf("s3store.py ended: %s", p.errors)
	}
	return strings.TrimSpace(line), nil
}

func (p *storePython) ask(words ...string) (string, error) {
	if _, err := fmt.Fprintln(p.in, strings.Join(words, "\t")); err != nil {
		return "", err
	}
	return p.answer()
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

// close lets the child end, which it does when nothing more is to be read.
func (p *storePython) close() error {
	if p == nil {
		return nil
	}
	_ = p.in.Close()
	if p.child.ProcessState != nil { // it has died before, and somebody was told
		return nil
	}
	return p.child.Wait()
}
