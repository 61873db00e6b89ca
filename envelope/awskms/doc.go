// Package awskms protects a keyring by a key that never leaves AWS KMS.
//
//	protector, err := awskms.New(kms.NewFromConfig(cfg), "arn:aws:kms:...:key/...", awskms.Options{})
//	kr, err := keyring.Open(ctx, storage, protector)
//
// A [Protector] is a [keyring.Remote]: one call to KMS makes a key, one call
// opens one. It remembers nothing. How often it is asked is the keyring's doing,
// which keeps an opened key for [Options.Lifetime].
//
// # What it promises
//
//   - A wrapped key opens under its own name and version only, and under the
//     application's own pairs: they are KMS's encryption context, authenticated
//     there. A wrapped key moved to another place of the document does not open.
//   - Which KMS keys may open is said by the configuration, never by the document:
//     somebody who can write the document cannot put in a key wrapped under a KMS
//     key of his own. Every Decrypt names its key, and the answer's is compared.
//   - An error says whether KMS answered. No ([keyring.ErrDenied],
//     [keyring.ErrProtector]) is told from silence ([ErrUnavailable], safe to try
//     again), because a keyring forgets its keys on the one and not on the other.
//   - No key, plain or wrapped, is in an error. The SDK's logging of bodies is off
//     for these calls whatever the client says, and a connection without TLS is
//     refused unless it is to this machine.
//
// # Which KMS key
//
// A symmetric encryption key, named in one of three ways:
//
//	arn:aws:kms:REGION:ACCOUNT:key/ID      that key; the best choice
//	ID                                     that key, in the client's account and Region
//	arn:aws:kms:REGION:ACCOUNT:alias/NAME  whatever key the alias points to
//
// KMS's own yearly rotation keeps a key's ARN, and everything goes on opening. If
// a key is replaced by another, what was wrapped under the former must open still:
//
//   - Named by ARN or ID, the former key goes into [Options.Former].
//   - Named by an alias, nothing has to be said. An alias can only point to keys of
//     its own account and Region, so those are what it stands for: any of them may
//     open, if IAM lets this application decrypt with it. An alias trusts its
//     account that far; to pin one key, name the key.
//
// Then keyring.Rotate adds a version under the new key, and wraps the document's check
// value under it. The former has to stay enabled as long as the document holds
// versions that it wrapped.
//
// A multi-Region key ("mrk-...") is one key with an ARN in each Region. What was
// wrapped through one replica opens through any: a node names the replica of the
// Region its client calls.
//
// # Permissions
//
// kms:Decrypt is all that a node needs which only seals and opens. Who creates,
// rotates or imports needs kms:GenerateDataKey and kms:Encrypt as well. Grant them
// on key ARNs, and with a condition on the pairs below:
//
//	"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:...:key/...",
//	"Condition": {"StringEquals": {"kms:EncryptionContext:hipaakit:keyring": "v1"}}
//
// A condition on kms:RequestAlias never holds for Decrypt, which names the key.
//
// # What it does not promise
//
// Whoever may decrypt with the KMS key and can read the document opens everything.
// Whoever may encrypt with it, under these pairs, and can write the document can
// put in a key that he knows. A KMS key that is deleted takes every envelope with
// it. CloudTrail shows each call with its pairs. The SDK's own buffers hold a key
// for a moment, as JSON, and are not wiped.
//
// # Wrapped key, kind 4
//
//	4           one byte: AWS KMS
//	length      be16
//	key ARN     of the KMS key that KMS said it used
//	ciphertext  1 to 6144 bytes, as KMS gave it, to the end
//
// The ARN is not authenticated; it only chooses among the keys that the
// configuration trusts. The encryption context, which is:
//
//	hipaakit:keyring  v1
//	hipaakit:key      name of the keyring's key
//	hipaakit:version  its version, in decimal, 0 for what is no key
//
// and the pairs of [Options.EncryptionContext].
package awskms
