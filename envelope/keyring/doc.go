// Package keyring keeps the keys that seal envelopes: named keys, each with
// versions, in one small document whose keys are wrapped by a [Protector] (a raw
// key, a passphrase) and kept by a [Storage] (a file).
//
// Create one, once, and open it in every process:
//
//	kr, err := keyring.Create(ctx, keyring.File("keyring.json"), keyring.Passphrase(secret))
//	kr, err := keyring.Open(ctx, keyring.File("keyring.json"), keyring.Passphrase(secret))
//
// A [Keyring] is an envelope.Keyring. [Keyring.Rotate] adds a version, which
// seals from then on; older versions go on opening what they sealed. A version
// that another process added is found when somebody asks for it: the document is
// read again, once, however many callers wait. A reading that found the document
// unchanged is not repeated within a second, because any forged envelope can ask
// for keys that nobody made: a version added right after such a reading is found
// a second after it at the latest, and until then is envelope.ErrKeyUnknown.
//
// A [Secret] is needed to open, to rotate, and to unwrap what others added. Close
// it as soon as none of that is to come: the keyring goes on with the keys it has.
//
// Whoever holds the document and the protector's secret opens everything, and
// whoever can write the document can put back an older one. Losing either loses
// every envelope: keep a copy of both, apart from each other.
//
// # Document, version 1
//
// JSON: {"format": "hipaakit keyring", "version": 1, "keys": [{"name": NAME,
// "version": N, "created": RFC 3339, "wrapped": BASE64}]}, sorted by name and
// version. Wrapped is, by its first byte,
//
//	1  raw key:  sealed
//	2  Argon2id (RFC 9106): 16 salt, be32 passes, be32 KiB, 1 lanes, sealed
//	3  PBKDF2-HMAC-SHA-256 (RFC 8018): 16 salt, be32 rounds, sealed
//
// where sealed is 12 nonce, 32 bytes of AES-256-GCM ciphertext, 16 tag, with
// associated data "hipaakit keyring v1", name length in one byte, name,
// be32 version: a wrapped key does not unwrap under another name.
package keyring
