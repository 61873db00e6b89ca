package envelope

import "context"

// Wrapper wraps other keys, such as a cache's, as small envelopes. Its methods
// are what package diskcache asks of a key wrapper. Safe for concurrent use.
type Wrapper struct {
	Keyring Keyring
	// Binding says what the wrapped keys are for; each use has its own.
	Binding Binding
	// Key names the keyring's key. Default: [DefaultKey].
	Key string
}

// WrapKey seals key under the newest version of the keyring's key.
func (w Wrapper) WrapKey(ctx context.Context, key []byte) ([]byte, error) {
	o := Options{Compression: CompressNone}
	if w.Key != "" {
		o.Keys = []string{w.Key}
	}
	return Seal(ctx, nil, key, w.Keyring, w.Binding, o)
}

// UnwrapKey opens what WrapKey made under the same binding.
func (w Wrapper) UnwrapKey(ctx context.Context, wrapped []byte) ([]byte, error) {
	key, _, err := Open(ctx, nil, wrapped, w.Keyring, w.Binding)
	return key, err
}
