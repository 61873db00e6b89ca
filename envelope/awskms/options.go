package awskms

import (
	"fmt"
	"maps"
	"time"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

const (
	defaultLifetime = time.Hour
	defaultTimeout  = 20 * time.Second
)

// Options says how a [Protector] works. The zero value is good.
type Options struct {
	// Lifetime is how long a keyring keeps an opened key in memory before it asks
	// KMS again; so long a key that was disabled in KMS goes on working. Default 1
	// hour.
	Lifetime time.Duration
	// Grace is how much longer a key is used while KMS cannot be reached. Default
	// none: an outage longer than Lifetime is an outage here.
	Grace time.Duration
	// Timeout bounds one operation, the SDK's retries included. Without it a
	// server that accepts and never answers would hold up everybody who waits for
	// the same key. Default 20 seconds; a caller's earlier deadline counts.
	Timeout time.Duration
	// EncryptionContext is bound to every wrapped key beside the keyring's own
	// pairs, as {"application": "records", "stage": "production"}; IAM policies can
	// ask for it. At most 5 pairs; keys to 128 and values to 384 characters, of
	// letters, digits and -_./:=@+. Keys that begin with "aws:", "aws-" or
	// "hipaakit:" are reserved, and no two may differ in case alone.
	//
	// It is written in the clear into CloudTrail: never put PHI in it. It cannot be
	// changed later: what was wrapped under it opens under it alone.
	EncryptionContext map[string]string
	// Former are the full ARNs of other KMS keys that may open what they wrapped.
	// They wrap nothing. Default: none.
	Former []string
}

func (o Options) withDefaults() (Options, error) {
	if o.Lifetime < 0 || o.Grace < 0 || o.Timeout < 0 {
		return o, fmt.Errorf("%w: awskms: a negative Lifetime, Grace or Timeout; use 0 for the default", keyring.ErrInvalid)
	}
	if err := checkPairs(o.EncryptionContext); err != nil {
		return o, err
	}
	if o.Lifetime == 0 {
		o.Lifetime = defaultLifetime
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	// The caller's map may change; what keys were wrapped under must not.
	o.EncryptionContext = maps.Clone(o.EncryptionContext)
	return o, nil
}
