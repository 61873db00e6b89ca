package main

import (
	"bytes"
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

func (s secretSource) protector(t terminal) (_ keyring.Protector, wipe func() error, err error) {
	var raw []byte
	switch {
	case s.passphraseFile != "" && s.keyFile != "":
		return nil, nil, fmt.Errorf("-passphrase-file and -key-file exclude each other; %w", errUsage)
	case s.keyFile != "":
		raw, err = readKey(s.keyFile)
	case s.passphraseFile != "":
		raw, err = readLine(s.passphraseFile)
	default:
		raw, err = s.ask(t)
	}
	if err != nil {
		return nil, nil, err
	}
	secret, make := keyring.NewSecret(raw), keyring.Passphrase
	if s.keyFile != "" {
		make = keyring.Raw
	}
	p, err := make(secret)
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

func (s secretSource) ask(t terminal) ([]byte, error) {
	if !term.IsTerminal(int(t.in.Fd())) {
		return nil, fmt.Errorf("no terminal to ask for the passphrase on: give -passphrase-file or -key-file; %w", errUsage)
	}
	first, err := t.prompt("Passphrase: ")
	if err != nil || !s.confirm {
		return first, err
	}
	second, err := t.prompt("Again: ")
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two passphrases differ; nothing was done")
	}
	return first, err
}

func (t terminal) prompt(text string) ([]byte, error) {
	fmt.Fprint(t.err, text)
	defer fmt.Fprintln(t.err)
	return term.ReadPassword(int(t.in.Fd()))
}
