package envelope

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Rewrap copies the envelope in r to w so that other keys open it: those named in
// keys, in their newest version, of the keyring to (default: [DefaultKey]). It may
// be the keyring that opens it now, to move to a new version. Only the slots and
// the header's MAC change; metadata and body are copied as they are, byte for byte,
// and the object id stays.
//
// The data key stays too. Whoever has seen it opens the re-wrapped envelope as well:
// after exposure of a data key, seal anew.
//
// Only the header is verified, not the body: a damaged body stays damaged, and no
// reader takes it. Errors are those of [NewReader] and [NewWriter].
func Rewrap(ctx context.Context, w io.Writer, r io.Reader, from, to Keyring, b Binding, keys ...string) error {
	h, err := rewrap(ctx, r, from, to, b, keys)
	if err != nil {
		return err
	}
	if err := writeAll(w, h.encode()); err != nil {
		return fmt.Errorf("envelope: writing the header: %w", err)
	}
	if _, err := io.Copy(w, untilDone{ctx, r}); err != nil {
		return fmt.Errorf("envelope: copying the body: %w", err)
	}
	return nil
}

// untilDone ends a reader with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// RewrapHeader is [Rewrap] for storage that can put a new beginning before what it
// has: head holds the first bytes of the envelope, of which [MaxHeaderSize] are
// always enough. It returns what shall stand in their place, and how many of them
// it replaces; all that follows stays.
func RewrapHeader(ctx context.Context, head []byte, from, to Keyring, b Binding, keys ...string) (replacement []byte, replaces int, err error) {
	in := bytes.NewReader(head)
	h, err := rewrap(ctx, in, from, to, b, keys)
	if err != nil {
		return nil, 0, err
	}
	return h.encode(), len(head) - in.Len(), nil
}

// rewrap reads a header and returns it with slots for keys.
func rewrap(ctx context.Context, r io.Reader, from, to Keyring, b Binding, keys []string) (*header, error) {
	o, err := Options{Keys: keys}.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkArguments(from, b); err != nil {
		return nil, err
	}
	if err := checkArguments(to, b); err != nil {
		return nil, err
	}
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	binding, prefix := b.digest(), h.prefix.encode()
	k, _, err := unwrap(ctx, from, h.slots, prefix, binding)
	if err != nil {
		return nil, err
	}
	defer k.wipe()
	// Verified before it is signed again: a forged header must not be ennobled.
	if err := h.verify(k, binding); err != nil {
		return nil, err
	}
	h.slots = nil
	if err := h.addSlots(ctx, to, k, prefix, binding, o.Keys); err != nil {
		return nil, err
	}
	h.sign(k, binding)
	return h, nil
}
