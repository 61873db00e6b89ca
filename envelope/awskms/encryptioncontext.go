package awskms

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// Our own pairs. The format's version is one of them, so that a later format can
// never be taken for this one.
const (
	pairFormat  = "hipaakit:keyring"
	pairKey     = "hipaakit:key"
	pairVersion = "hipaakit:version"

	formatVersion = "v1"
)

// A grant's constraint takes at most 8 pairs, with values to 384 characters
// (GrantConstraints, KMS API reference). With our three no more than that is ever
// asked for, so that a grant can name all of it.
const (
	maxPairs     = 8 - 3
	maxPairKey   = 128
	maxPairValue = 384
	maxName      = 64 // as in package keyring
)

// pairs is the encryption context of one key of the keyring. Version 0 is allowed:
// a keyring may wrap what is no key, and must find it under no key's id.
func (p *Protector) pairs(id envelope.KeyID) (map[string]string, error) {
	if id.Name == "" || len(id.Name) > maxName || !plain(id.Name) {
		return nil, fmt.Errorf("%w: awskms: a key's name is 1 to %d letters, digits and -_./:=@+", keyring.ErrInvalid, maxName)
	}
	all := map[string]string{
		pairFormat:  formatVersion,
		pairKey:     id.Name,
		pairVersion: strconv.FormatUint(uint64(id.Version), 10),
	}
	for k, v := range p.options.EncryptionContext {
		all[k] = v
	}
	return all, nil
}

// checkPairs names what is wrong without quoting it: a caller who puts PHI here
// by mistake must not find it in a log as well.
func checkPairs(pairs map[string]string) error {
	refuse := func(why string, args ...any) error {
		return fmt.Errorf("%w: awskms: EncryptionContext: %s", keyring.ErrInvalid, fmt.Sprintf(why, args...))
	}
	if len(pairs) > maxPairs {
		return refuse("at most %d pairs, not %d", maxPairs, len(pairs))
	}
	seen := make(map[string]bool)
	for k, v := range pairs {
		// A policy's condition compares keys without regard to case.
		folded := strings.ToLower(k)
		switch {
		case k == "" || len(k) > maxPairKey || !plain(k):
			return refuse("a key is 1 to %d letters, digits and -_./:=@+", maxPairKey)
		case v == "" || len(v) > maxPairValue || !plain(v):
			return refuse("a value is 1 to %d letters, digits and -_./:=@+", maxPairValue)
		case strings.HasPrefix(folded, "aws:") || strings.HasPrefix(folded, "aws-") || strings.HasPrefix(folded, "hipaakit:"):
			return refuse("keys that begin with aws:, aws- or hipaakit: are reserved")
		case seen[folded]:
			return refuse("two keys differ in case alone, which a policy cannot tell apart")
		}
		seen[folded] = true
	}
	return nil
}

// plain keeps out wildcards of policies (* and ?), what JSON would change (invalid
// UTF-8), and what two people spell in two ways (accents, spaces).
func plain(s string) bool { return madeOf(s, "-_./:=@+") }
