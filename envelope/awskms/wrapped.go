package awskms

import (
	"encoding/binary"
	"fmt"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

const (
	// kind is the first byte; package keyring has 1 to 3.
	kind = 4
	// maxCiphertext is KMS's own limit for a CiphertextBlob (API reference).
	maxCiphertext = 6144
	wrappedHead   = 3
)

// encodeWrapped notes the key that KMS used, not the one that was configured: an
// alias may point elsewhere when this is opened, and without the note each trusted
// key would have to be tried, each refusal looking like a real one.
func encodeWrapped(key keyARN, ciphertext []byte) []byte {
	arn := key.String()
	b := make([]byte, 0, wrappedHead+len(arn)+len(ciphertext))
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(arn)))
	b = append(b, arn...)
	return append(b, ciphertext...)
}

// parseWrapped refuses what KMS would refuse before it is sent there. All of it is
// an attacker's to choose who can write the document.
func parseWrapped(b []byte) (key keyARN, ciphertext []byte, err error) {
	if len(b) == 0 || b[0] != kind {
		return key, nil, fmt.Errorf("%w: not protected by AWS KMS", keyring.ErrProtector)
	}
	damaged := fmt.Errorf("%w: a wrapped key of kind %d is damaged", keyring.ErrProtector, kind)
	if len(b) < wrappedHead {
		return key, nil, damaged
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if len(b) < wrappedHead+n {
		return key, nil, damaged
	}
	key, ok := parseKeyARN(string(b[wrappedHead : wrappedHead+n]))
	ciphertext = b[wrappedHead+n:]
	if !ok || len(ciphertext) == 0 || len(ciphertext) > maxCiphertext {
		return keyARN{}, nil, damaged
	}
	return key, ciphertext, nil
}
