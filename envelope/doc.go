// Package envelope seals data so that it can lie on machines nobody trusts:
// compressed, encrypted on the client with AES-256-GCM, committed to its key,
// and bound to the name under which it is stored.
//
// # What it promises
//
//   - An envelope opens only with a key of its slots, under the store and name
//     that it was sealed for ([Binding]), and only whole and unchanged. What does
//     not verify is [ErrCorrupt], and no unauthenticated byte leaves a reader.
//   - Keys can be rotated without touching the data: slots hold the data key, one
//     for each key that may open the envelope.
//   - It runs under GODEBUG=fips140=only.
//
// Memory that sealing and opening are done with is used again for other data of this
// process and not wiped in between; only keys are, as far as Go allows.
//
// It does not hide how long an envelope is, nor which key names its slots carry;
// and it cannot notice that a whole envelope was replaced by an older one of the
// same name.
//
// # Format, version 1
//
// docs/format.md says the same for a reader who writes a decoder of his own.
//
// All integers are big-endian.
//
//	fixed prefix    8  magic "hipaakit"
//	                1  version, 1
//	                1  codec: 0 seekable zstd, 1 none
//	                2  critical flags; a reader refuses those it does not know
//	                   1: padded
//	                4  FLOE segment length
//	               32  object id, random
//	header rest     4  header length: from the magic to the end of the header MAC
//	                4  sealed metadata length
//	                2  number of slots, 1 to 16
//	                   slots
//	               48  header MAC
//	sealed metadata    12 nonce, ciphertext, 16 tag
//	FLOE header    74  see package floe
//	FLOE segments
//
//	slot            1  length of the key's name, 1 to 64
//	                   name of the key: of a-z, 0-9, '-', '_', '.'
//	                4  version of the key
//	               32  salt, random
//	               60  12 nonce, the data key encrypted, 16 tag
//
// The FLOE plaintext is the data itself (codec none) or a file in the seekable
// Zstandard format: frames of 256 KiB of data each, then the seek table in a
// skippable frame. The zstd command decompresses it.
//
// An envelope with the flag padded hides the exact length of that (Padmé). With
// codec zstd a skippable frame (magic 0x184D2A50) of zeros stands before the seek
// table, which has no entry for it. With codec none zeros follow the data, up to
// the Padmé length of the sealed size.
//
// # Keys
//
// The data key is 32 random bytes of this envelope alone, never used directly:
// with HKDF-Expand-SHA-384 (RFC 5869) it yields
//
//	"hipaakit envelope v1 floe"     32 bytes, the FLOE key
//	"hipaakit envelope v1 header"   48 bytes, the header MAC key
//	"hipaakit envelope v1 metadata" 32 bytes, the metadata key
//
// A slot holds the data key under AES-256-GCM with a key that is used once:
//
//	HKDF-Expand-SHA-384(key of the keyring,
//	    "hipaakit envelope v1 slot" || salt || SHA-256(binding), 32)
//
// and the fixed prefix as associated data. As every slot has a key of its own,
// the limit of 2^32 random nonces for one key never comes near, however many
// machines share the keyring.
//
// The header MAC is HMAC-SHA-384, untruncated, over every header byte before it,
// the sealed metadata, the FLOE header and SHA-256(binding). It and the FLOE
// header tag are verified before any segment is opened. Exactly one slot is
// tried, the first whose key the keyring knows: trying many would let two
// readers see two plaintexts in one object.
//
// The binding is its fields in order, each behind its be32 length: store, key,
// then the context fields.
//
// Associated data of the sealed metadata is the fixed prefix; so it is for FLOE.
// Slots, header length and binding stay out of both, so that a new slot leaves
// metadata and body as they are.
//
// # Metadata
//
//	8  size of the data in bytes; 2^64-1: not known when the header was written
//	   name: be16 length, UTF-8
//	2  number of pairs; each: be16 length, key, be32 length, value; keys ascend
//
// Sealed, it is at most 64 KiB. A size that differs from the data is an error.
package envelope
