package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed django.py
var djangoScript []byte

var errNoDjango = errors.New("no python3 here has django, cryptography and pycryptodome")

// startDjango starts the child that runs django.py; its version is Django's.
func startDjango(dir string) (*python, error) {
	return startPython(dir, "django_bench.py", djangoScript, errNoDjango) // of another name than the package
}

// djangoSealers are the libraries by which the child seals: PyCryptodome, beside which the
// goals were set, and cryptography, which calls OpenSSL and takes a twelfth of the
// time for a small record. What one seals, the other opens.
var djangoSealers = []string{"PyCryptodome", "cryptography"}

func djangoWith(library string) string { return "Django+" + library }

// djangoGoal is the one whose times a goal is a part of.
var djangoGoal = djangoWith(djangoSealers[0])

// djangoCache has the child fill a cache below dir with the records that files hold,
// and reads some of them back, by each library.
func (p *python) djangoCache(dir string, files []string, records [][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(strings.Join(files, "\n")), 0o600); err != nil {
		return err
	}
	if _, err := p.ask("load", filepath.Join(dir, "store"), list); err != nil {
		return err
	}
	var err error
	for _, library := range djangoSealers {
		if _, asked := p.ask("seal", library); asked != nil {
			return asked
		}
		for i := 0; i < len(records); i += 1 + len(records)/64 {
			err = errors.Join(err, p.check(i, records[i]))
		}
	}
	return err
}

func (p *python) check(i int, record []byte) error {
	sum := sha256.Sum256(record)
	got, err := p.ask("check", strconv.Itoa(i))
	if err == nil && got != hex.EncodeToString(sum[:]) {
		err = errors.New("the cache of Django: what was read is not what was stored")
	}
	return err
}

// contenders do a command of the child, by each library.
func (p *python) contenders(command string) (cs []contender) {
	for _, library := range djangoSealers {
		cs = append(cs, p.contender(command, library))
	}
	return cs
}

func (p *python) contender(command, library string) contender {
	return selfTimed(djangoWith(library), func(n int) (time.Duration, error) {
		if _, err := p.ask("seal", library); err != nil {
			return 0, err
		}
		took, err := p.time(command, n)
		if err != nil {
			err = fmt.Errorf("%s: %w", djangoWith(library), err)
		}
		return took, err
	})
}
