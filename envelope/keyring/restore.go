package keyring

import (
	"context"
	"errors"
	"fmt"
)

// Restore makes a keyring of an exported document where none is, and returns it
// opened. The document is under from, and the keyring will be under to; they may
// be the same. Where a keyring exists already it answers [ErrExists] and leaves
// that one alone.
//
// A document exported before a destruction brings the key back, as nothing is left
// to tell of it. If there is anything newer, import there instead.
func Restore(ctx context.Context, s Storage, to Protector, doc []byte, from Protector) (*Keyring, error) {
	if err := checkParts(s, to); err != nil {
		return nil, err
	}
	d, err := openExport(ctx, doc, from)
	if err != nil {
		return nil, err
	}
	if d, err = d.rewrap(ctx, openerOf(from), to); err != nil {
		return nil, err
	}
	b, err := d.encode()
	if err != nil {
		return nil, err
	}
	if err := s.Save(ctx, b, ""); errors.Is(err, ErrChanged) {
		return nil, ErrExists
	} else if err != nil {
		return nil, err
	}
	return Open(ctx, s, to)
}

// openExport parses a document and holds from against it: one of tombstones alone
// would open under anything.
func openExport(ctx context.Context, doc []byte, from Protector) (document, error) {
	if from == nil {
		return document{}, fmt.Errorf("%w: no protector to open the document with", ErrInvalid)
	}
	d, err := parseDocument(doc)
	if err != nil {
		return d, err
	}
	return d, d.testCheck(ctx, from)
}
