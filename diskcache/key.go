package diskcache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// The file "key" is "HKCKEY", a zero byte, the format's version in one byte,
// and what the KeyWrapper returned.
const (
	keyMagic = "HKCKEY\x00"

	// keyTimeout bounds each call of the wrapper. A keyring that hangs must
	// not keep an application from starting; it starts with an empty cache.
	keyTimeout = 10 * time.Second
)

var errNoKey = errors.New("no key is stored yet")

// openKey returns the cache key, and whether it is a new one, under which
// nothing in the folder can be read. It fails only if ctx is done: a start
// that was called off must not cost the cache.
func openKey(ctx context.Context, fo *folder, version int, o Options) (key *cacheKey, fresh bool, err error) {
	if version != formatVersion || o.Keys == nil {
		if version != 0 && version != formatVersion {
			o.Logger.Warn("diskcache: starting empty: the folder has another version of the format",
				"found", version, "ours", formatVersion)
		}
		return newKey(), true, nil
	}
	key, err = loadKey(ctx, fo, o.Keys)
	if ctx.Err() != nil {
		return nil, false, calledOff(ctx)
	}
	if err == nil {
		return key, false, nil
	}
	if !errors.Is(err, errNoKey) {
		o.Logger.Warn("diskcache: starting empty: the stored key cannot be used", "error", err)
	}
	return newKey(), true, nil
}

func newKey() *cacheKey {
	key := new(cacheKey)
	rand.Read(key[:])
	return key
}

func loadKey(ctx context.Context, fo *folder, keys KeyWrapper) (*cacheKey, error) {
	raw, err := fo.root.ReadFile(keyName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, err
	}
	lead := len(keyMagic) + 1
	if len(raw) < lead || string(raw[:lead-1]) != keyMagic || raw[lead-1] != formatVersion {
		return nil, errors.New("not a key file")
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	plain, err := keys.UnwrapKey(ctx, raw[lead:])
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if len(plain) != len(cacheKey{}) {
		return nil, fmt.Errorf("the unwrapped key has %d bytes, not %d", len(plain), len(cacheKey{}))
	}
	key := cacheKey(plain)
	return &key, nil
}

// storeKey stores a new key. If it cannot, the cache works with the key in
// memory only, and the next process starts empty once more.
func storeKey(ctx context.Context, fo *folder, key *cacheKey, keys KeyWrapper) error {
	if keys == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	plain := *key // the wrapper may keep or clear what it is given
	wrapped, err := keys.WrapKey(ctx, plain[:])
	clear(plain[:])
	if err != nil {
		return err
	}
	return replaceFile(fo.root, keyName, append(append([]byte(keyMagic), formatVersion), wrapped...), true)
}
