package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// secretSource is where the keyring's secret comes from. There is no flag and no
// environment variable for the secret itself: other users can read both.
type secretSource struct {
	passphraseFile, keyFile string
	confirm                 bool // ask twice: nobody can recover from a typing error
}

func (s secretSource) protector(ctx context.Context, t terminal) (_ keyring.Protector, wipe func() error, err error) {
	var raw []byte
	switch {
	case s.passphraseFile != "" && s.keyFile != "":
		return nil, nil, fmt.Errorf("-passphrase-file and -key-file exclude each other; %w", errUsage)
	case s.keyFile != "":
		raw, err = readKey(s.keyFile)
	case s.passphraseFile != "":
		raw, err = readLine(s.passphraseFile)
	default:
		raw, err = s.ask(ctx, t)
	}
	if err != nil {
		return nil, nil, err
	}
	secret, make := keyring.NewSecret(raw), keyring.Passphrase
	if s.keyFile != "" {
		make = keyring.Raw
	}
	p, err := make(secret)
	if err != nil {
		secret.Close()
	}
	return p, secret.Close, err
}

// readLine returns a private file's first line.
func readLine(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o); make it 0600", name, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), err
}

func readKey(name string) ([]byte, error) {
	line, err := readLine(name)
	if err != nil {
		return nil, err
	}
	key := make([]byte, hex.DecodedLen(len(line)))
	// The error of package hex quotes the byte it stumbled over.
	if _, err := hex.Decode(key, line); err != nil || len(key) != keyring.KeySize {
		return nil, fmt.Errorf("%s does not hold %d hexadecimal digits", name, 2*keyring.KeySize)
	}
	return key, nil
}

func (s secretSource) ask(ctx context.Context, t terminal) ([]byte, error) {
	if !term.IsTerminal(int(t.in.Fd())) {
		return nil, fmt.Errorf("no terminal to ask for the passphrase on: give -passphrase-file or -key-file; %w", errUsage)
	}
	first, err := t.prompt(ctx, "Passphrase: ")
	if err != nil || !s.confirm {
		return first, err
	}
	second, err := t.prompt(ctx, "Again: ")
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two passphrases differ; nothing was done")
	}
	if err != nil {
		clear(first)
	}
	return first, err
}

// prompt asks for a line without showing it. When ctx ends it leaves the terminal
// as it was: the reading would have done so after a line that never comes.
func (t terminal) prompt(ctx context.Context, text string) ([]byte, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(t.err, text)
	defer fmt.Fprintln(t.err)
	line, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, before))
	}
	return line, err
}

// await returns what read answers, or when ctx ends. Nothing can interrupt the
// reading of a terminal: then it is left behind, and ends with the process.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return a.line, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	}
}
