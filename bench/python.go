package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// python is a child that runs a script of ours: a line is a command, answered by a
// line. A nil one is not there.
type python struct {
	script  string
	version string // of what the script measures
	child   *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  *strings.Builder
}

// pythons are interpreters that may have what a script needs, by command and where it
// looks for packages: whatever the path says, what scripts/install-test-tools.sh has
// installed, Debian's.
var pythons = []struct{ command, packages string }{
	{"python3", ""}, {"python3", "../.tools/python"}, {"/usr/bin/python3", ""},
}

// startPython runs the script, as name in dir, by the first interpreter that has what it
// takes; missing is the error if none has.
func startPython(dir, name string, script []byte, missing error, args ...string) (*python, error) {
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, script, 0o600); err != nil {
		return nil, err
	}
	for _, p := range pythons {
		child := exec.Command(p.command, append([]string{"-B", name}, args...)...)
		if p.packages != "" {
			packages, err := filepath.Abs(p.packages)
			if err != nil {
				return nil, err
			}
			child.Env = append(os.Environ(), "PYTHONPATH="+packages)
		}
		if started, err := startChild(filepath.Base(name), child); err == nil {
			return started, nil
		}
	}
	return nil, missing
}

// startChild starts a child and reads its first line, which is its version.
func startChild(script string, child *exec.Cmd) (*python, error) {
	in, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &python{script: script, child: child, in: in, out: bufio.NewReader(out), errors: &strings.Builder{}}
	child.Stderr = p.errors
	if err := child.Start(); err != nil {
		return nil, err
	}
	if p.version, err = p.answer(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// answer is the child's next line, or what it said when it died.
func (p *python) answer() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		_ = p.child.Wait() // then it has said everything
		return "", fmt.Errorf("%s ended: %s", p.script, p.errors)
	}
	return strings.TrimSpace(line), nil
}

func (p *python) ask(words ...string) (string, error) {
	if _, err := fmt.Fprintln(p.in, strings.Join(words, "\t")); err != nil {
		return "", err
	}
	return p.answer()
}

// time is the child's answer to a command that takes so long for n operations.
func (p *python) time(command string, n int) (time.Duration, error) {
	answer, err := p.ask(command, strconv.Itoa(n))
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(answer, 10, 64)
	return time.Duration(ns), err
}

// close lets the child end, which it does when nothing more is to be read.
func (p *python) close() error {
	if p == nil {
		return nil
	}
	_ = p.in.Close()
	if p.child.ProcessState != nil { // it has died before, and somebody was told
		return nil
	}
	return p.child.Wait()
}
