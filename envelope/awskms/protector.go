package awskms

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// Protector wraps the keys of a keyring under a KMS key. It implements
// [keyring.Remote]. It keeps no key and has nothing to close. Safe for concurrent
// use.
//
// Its methods fail with [keyring.ErrDenied] where KMS said no to this application,
// [keyring.ErrProtector] where a wrapped key is damaged, another's, or under a KMS
// key that is not trusted, [ErrUnavailable] where KMS gave no usable answer, and
// [keyring.ErrInvalid] where the caller or the client's endpoint is at fault. A
// caller who gives up gets his context's error.
type Protector struct {
	client  API
	trust   trust
	options Options
}

var _ keyring.Remote = (*Protector)(nil)

// New returns a protector by the symmetric KMS key with the given id: a key ARN
// (best), a key id, or an alias ARN. It asks nothing of KMS. Every error is
// [keyring.ErrInvalid].
func New(client API, keyID string, o Options) (*Protector, error) {
	if client == nil {
		return nil, fmt.Errorf("%w: awskms: no KMS client", keyring.ErrInvalid)
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	t, err := newTrust(keyID, o.Former)
	if err != nil {
		return nil, err
	}
	return &Protector{client: client, trust: t, options: o}, nil
}

// Lifetime implements [keyring.Remote].
func (p *Protector) Lifetime() time.Duration { return p.options.Lifetime }

// Grace implements [keyring.Remote].
func (p *Protector) Grace() time.Duration { return p.options.Grace }

// Timeout says how long one operation may take. A keyring gives an unwrapping that
// much, and some seconds for the reading before it.
func (p *Protector) Timeout() time.Duration { return p.options.Timeout }

// Generate implements [keyring.Remote] by GenerateDataKey: the key comes from
// KMS's own random generator, and is wrapped before this machine sees it.
func (p *Protector) Generate(ctx context.Context, id envelope.KeyID) (key, wrapped []byte, err error) {
	const op = "GenerateDataKey"
	pairs, err := p.pairs(id)
	if err != nil {
		return nil, nil, err
	}
	out, err := ask(ctx, p, op, p.client.GenerateDataKey, &kms.GenerateDataKeyInput{
		KeyId: aws.String(p.trust.keyID), KeySpec: types.DataKeySpecAes256, EncryptionContext: pairs,
	})
	if err != nil {
		return nil, nil, err
	}
	if key, err = plainKey(op, out.Plaintext); err != nil {
		return nil, nil, err
	}
	if wrapped, err = p.sealed(op, out.KeyId, out.CiphertextBlob); err != nil {
		clear(key)
		return nil, nil, err
	}
	return key, wrapped, nil
}

// Wrap implements [keyring.Protector] by Encrypt.
func (p *Protector) Wrap(ctx context.Context, id envelope.KeyID, key []byte) ([]byte, error) {
	const op = "Encrypt"
	if len(key) != keyring.KeySize {
		return nil, fmt.Errorf("%w: awskms: a key has %d bytes, not %d", keyring.ErrInvalid, keyring.KeySize, len(key))
	}
	pairs, err := p.pairs(id)
	if err != nil {
		return nil, err
	}
	out, err := ask(ctx, p, op, p.client.Encrypt, &kms.EncryptInput{
		KeyId: aws.String(p.trust.keyID), Plaintext: key, EncryptionContext: pairs,
	})
	if err != nil {
		return nil, err
	}
	return p.sealed(op, out.KeyId, out.CiphertextBlob)
}

// Unwrap implements [keyring.Protector] by Decrypt. What is under a KMS key that
// the configuration does not trust is refused without asking KMS.
func (p *Protector) Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) ([]byte, error) {
	const op = "Decrypt"
	under, ciphertext, err := parseWrapped(wrapped)
	if err != nil {
		return nil, err
	}
	keyID, ok := p.trust.opener(under)
	if !ok {
		return nil, fmt.Errorf("%w: awskms: wrapped under %v, which is not the configured KMS key; if it was once, add it to Options.Former",
			keyring.ErrProtector, under)
	}
	pairs, err := p.pairs(id)
	if err != nil {
		return nil, err
	}
	out, err := ask(ctx, p, op, p.client.Decrypt, &kms.DecryptInput{
		KeyId: aws.String(keyID), CiphertextBlob: ciphertext, EncryptionContext: pairs,
	})
	if err != nil {
		return nil, err
	}
	key, err := plainKey(op, out.Plaintext)
	if err != nil {
		return nil, err
	}
	// Last, because a key that must not be used still has to be wiped.
	if err := checkOpened(op, out.KeyId, keyID, under); err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

// ask makes one call, with the SDK's own retries in it: they know which failures
// of KMS pass, share a budget among all callers of the client, and back off with
// jitter. None of the three operations changes anything, so all may be repeated.
func ask[In, Out any](ctx context.Context, p *Protector, op string,
	call func(context.Context, *In, ...func(*kms.Options)) (*Out, error), in *In,
) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := call(ctx, in, guarded)
	if err != nil {
		return nil, callError(ctx, op, err)
	}
	if out == nil {
		return nil, hollow(op)
	}
	return out, nil
}
