// Command hipaactl is the companion of hipaakit for operators.
//
//	hipaactl version
//	hipaactl keys init [flags]    make a keyring
//	hipaactl keys show [flags]    list a keyring's keys, never their bytes
//
// The exit code is 0 if all went well, 1 if something failed and 2 if the command
// line could not be understood.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	// A second Ctrl-C ends what does not heed the first.
	context.AfterFunc(ctx, stop)
	t := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := t.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// terminal is where a command reads and writes.
type terminal struct {
	in       *os.File
	out, err io.Writer
}

const usage = `usage:
  hipaactl version
  hipaactl keys init [-keyring FILE] [-passphrase-file FILE | -key-file FILE]
  hipaactl keys show [-keyring FILE] [-passphrase-file FILE | -key-file FILE]
Without either file, keys asks for the passphrase on the terminal.
`

// errUsage says that the command line could not be understood.
var errUsage = errors.New("see 'hipaactl help'")

func (t terminal) run(ctx context.Context, args []string) int {
	err := t.dispatch(ctx, args)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(t.err, "hipaactl:", err)
		return 2
	}
	fmt.Fprintln(t.err, "hipaactl:", err)
	return 1
}

func (t terminal) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(t.err, usage)
		return fmt.Errorf("no command given; %w", errUsage)
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(t.out, usage)
		return nil
	case "version":
		return t.version(args[1:])
	case "keys":
		return t.keys(ctx, args[1:])
	}
	return fmt.Errorf("no command %q; %w", args[0], errUsage)
}
