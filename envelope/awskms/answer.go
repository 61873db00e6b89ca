package awskms

import (
	"crypto/subtle"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// An answer that lacks what KMS always sends is not KMS's: a gateway in between
// answers 200 with {} or nothing. Trying again may reach KMS. An answer that says
// another thing than what was asked for is refused for good.

func hollow(op string) error {
	return &failure{op: op, is: ErrUnavailable, text: "an answer without what KMS always sends"}
}

func contradiction(op, text string) error {
	return &failure{op: op, is: keyring.ErrProtector, text: text}
}

// sealed makes the wrapped key of what KMS answered.
func (p *Protector) sealed(op string, keyID *string, ciphertext []byte) ([]byte, error) {
	if keyID == nil || len(ciphertext) == 0 {
		return nil, hollow(op)
	}
	key, ok := parseKeyARN(*keyID)
	if !ok || !p.trust.seals(key) {
		return nil, contradiction(op, "another KMS key than the configured one answered")
	}
	if len(ciphertext) > maxCiphertext {
		return nil, contradiction(op, "the ciphertext is longer than KMS makes them")
	}
	return encodeWrapped(key, ciphertext), nil
}

// checkOpened holds the key that KMS says it used against the one it was told to.
func checkOpened(op string, answer *string, keyID string, under keyARN) error {
	if answer == nil {
		return hollow(op)
	}
	if used, ok := parseKeyARN(*answer); !ok || !opened(keyID, under, used) {
		return contradiction(op, "another KMS key than the one named answered")
	}
	return nil
}

// plainKey takes over an answer's plaintext, or wipes it. Nothing is copied, so
// that a caller who wipes the key wipes the SDK's as well. Zeros come from a client
// that hands out twice what was wiped once; everybody could open what they seal.
func plainKey(op string, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 {
		return nil, hollow(op)
	}
	if len(plaintext) == keyring.KeySize && subtle.ConstantTimeCompare(plaintext, make([]byte, keyring.KeySize)) == 0 {
		return plaintext, nil
	}
	clear(plaintext)
	return nil, contradiction(op, "what came out is not a key of 32 bytes")
}
