package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func (t terminal) keys(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("keys needs init or show; %w", errUsage)
	}
	do, ok := map[string]func(context.Context, keyring.Storage, keyring.Protector) error{
		"init": t.keysInit, "show": t.keysShow,
	}[args[0]]
	if !ok {
		return fmt.Errorf("no command \"keys %s\"; %w", args[0], errUsage)
	}
	flags := flag.NewFlagSet("hipaactl keys "+args[0], flag.ContinueOnError)
	flags.SetOutput(t.err)
	file := flags.String("keyring", "keyring.json", "the keyring's `file`")
	var source secretSource
	flags.StringVar(&source.passphraseFile, "passphrase-file", "", "`file` whose first line is the passphrase")
	flags.StringVar(&source.keyFile, "key-file", "", "`file` with a raw key: 64 hexadecimal digits")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q; %w", flags.Arg(0), errUsage)
	}
	source.confirm = args[0] == "init"
	protector, wipe, err := source.protector(ctx, t)
	if err != nil {
		return err
	}
	defer wipe()
	if err := do(ctx, keyring.File(*file), protector); err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	return nil
}

func (t terminal) keysInit(ctx context.Context, s keyring.Storage, p keyring.Protector) error {
	k, err := keyring.Create(ctx, s, p)
	if err != nil {
		return err
	}
	defer k.Close()
	if err := t.list(k); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, "Keep a copy of the keyring and of its secret, apart from each other: without both, nothing sealed opens again.")
	return err
}

func (t terminal) keysShow(ctx context.Context, s keyring.Storage, p keyring.Protector) error {
	k, err := keyring.Open(ctx, s, p)
	if err != nil {
		return err
	}
	defer k.Close()
	return t.list(k)
}

func (t terminal) list(k *keyring.Keyring) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tVERSION\tCREATED")
	ids, created := k.Keys()
	for i, id := range ids {
		fmt.Fprintf(w, "%s\t%d\t%s\n", id.Name, id.Version, created[i].Format(time.RFC3339))
	}
	return w.Flush()
}
