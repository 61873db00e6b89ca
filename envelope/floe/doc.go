// Package floe implements FLOE, Fast Lightweight Online Encryption: a
// random-access authenticated encryption scheme that is key-committing and
// re-keys itself long before a nonce limit comes near.
//
// It follows the public specification in the repository
// Snowflake-Labs/floe-specification (spec/README.md; the proofs are in ePrint
// 2025/2275) with its fixed parameters AES-256-GCM, HKDF-Expand-SHA-384 and a
// 32-byte IV, for any segment length that the specification allows. It knows
// nothing of names, compression or keys' origin: that is package envelope.
//
// # Ciphertext
//
//	header   10  parameters: AEAD id 0, KDF id 0, be32(segment length), be32(32)
//	         32  IV, random
//	         32  header tag
//	segment   4  be32: 0xFFFFFFFF, or in the final segment its whole length
//	         12  nonce, random
//	          n  ciphertext
//	         16  tag
//
// Every segment but the last is exactly segment-length bytes long. The tag of a
// segment covers its position and whether it is the last one, so segments that
// were moved, repeated, dropped or cut off do not open.
//
// # Two layers
//
// [Sealer] and [Opener] work on single segments at any position, from many
// goroutines at once. They trust their caller to use each position once and to
// end with one final segment. [Writer] and [Reader] do just that for a stream,
// and are what most callers want.
//
// Everything here runs under GODEBUG=fips140=only: a segment is what
// [crypto/cipher.NewGCMWithRandomNonce] produces, behind four bytes.
package floe
