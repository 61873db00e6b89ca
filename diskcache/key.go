package diskcache

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
)

// The file "key" is "HKCKEY", a zero byte, the format's version in one byte,
// and what the KeyWrapper returned.
const (
	keyMagic   = "HKCKEY\x00"
	maxKeyFile = 64 << 10
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
	if tooFewDescriptors(err) {
		return nil, false, errDescriptors(err)
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
	raw, err := fo.read(keyName, maxKeyFile)
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
	return unwrapKey(ctx, keys, raw[lead:])
}

// storeKey stores a new key. If it cannot, the cache works with the key in
// memory only, and the next process starts empty once more.
func storeKey(fo *folder, wrapped []byte) error {
	if wrapped == nil {
		return nil
	}
	return replaceFile(fo.root, keyName, append(append([]byte(keyMagic), formatVersion), wrapped...), true)
}
