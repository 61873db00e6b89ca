// Package keyring keeps the keys that seal envelopes: named keys, each with
// versions, in one small document whose keys are wrapped by a [Protector] (a raw
// key, a passphrase, a key management service) and kept by a [Storage] (a file, or
// whatever else can be written on the condition that nobody else has).
//
// Create one, once, and open it in every process:
//
//	protector, err := keyring.Passphrase(secret)
//	kr, err := keyring.Create(ctx, keyring.File("keyring.json"), protector)
//	kr, err := keyring.Open(ctx, keyring.File("keyring.json"), protector)
//
// A [Keyring] is an envelope.Keyring. [Keyring.Rotate] adds a version, which
// seals from then on; older versions go on opening what they sealed. A version
// that another process added is found when somebody asks for it: the document is
// read again, once, however many callers wait. A reading that found the document
// unchanged is not repeated within a second, because any forged envelope can ask
// for keys that nobody made: a version added right after such a reading is found
// a second after it at the latest, and until then is envelope.ErrKeyUnknown. One
// that failed is not repeated either; who asks meanwhile has its error.
//
// # Keys in memory
//
// Under a local protector all keys are unwrapped when the document is read, and
// stay until [Keyring.Close]. A [Secret] is needed to open, to change the document,
// and to unwrap what others added. Close it as soon as none of that is to come: the
// keyring goes on with the keys it has.
//
// Under a [Remote] each key is unwrapped when it is first needed, out of a document
// read a moment before, and wiped a Lifetime after that reading, whether somebody
// asks or not:
//
//   - However many callers wait for a key, the service is asked once, and once in a
//     Lifetime if it answers. While a key is in memory its outage is not noticed.
//     [Keyring.Export] and [Keyring.Import] share the calls, but leave nothing in
//     memory: of keys that nobody else uses, each of them asks again. A reading that
//     shows other wrapped bytes for keys used here asks once for each, too.
//   - With a Grace the old key is used while the new answer is awaited, and for that
//     much longer if service or storage cannot be reached.
//   - If the service was reached and refuses ([ErrDenied], [ErrProtector]), the key
//     is wiped at once, grace or not.
//   - After a failure that key is not asked for again for 1 second, then 2, at most
//     30; callers have the last error meanwhile, or in Grace the old key.
//
// Lifetimes are of the machine's running time: while it sleeps they do not pass.
//
// # Destroying
//
// [Keyring.Destroy] makes unreadable what was sealed under a key alone, such as a
// tenant's or a patient's. A tombstone stays in the document, so that no name and no
// version is ever used twice; every process wipes the key when it reads that, and
// has its followers drop what they keep ([Keyring.Follow]). Destroy says what it is
// worth, and where it ends.
//
// # What it does not promise
//
// Whoever holds the document and the protector's secret opens everything. Losing
// either loses every envelope: keep a copy of both, apart from each other
// ([Keyring.Export]).
//
// Whoever can write the document can write tombstones, or put back an older one.
// A process that has seen the newer one notices ([ErrRolledBack]), also if the older
// one was rotated since and another key has the id of one that the process has used;
// one that is started afterwards cannot. Names, versions and times are in the clear: a key's
// name must not say anything about a person.
//
// A document is at most 16 MiB, some sixty thousand keys under a local protector.
//
// # Document, version 1
//
// JSON: {"format": "hipaakit keyring", "version": 1, "check": BASE64, "keys":
// [KEY, ...]}, the keys ascending by name and version, at least one. A key is
// {"name": NAME, "version": N, "created": TIME, "wrapped": BASE64}, or its tombstone
// {"name": NAME, "version": N, "created": TIME, "destroyed": TIME}. Names are of 1 to
// 64 of a-z, 0-9, '-', '_', '.'; versions begin with 1; times are those of RFC 3339.
// Where the newest version of a name is destroyed, all are. Members have just these
// names and are there once; nothing is null, and base64 has no line breaks.
//
// The check value is 32 random bytes, wrapped as version 0 of "check", which no key
// can be. A reader unwraps it to tell whether it has the right secret, also when no
// key is left; whoever adds a version wraps a new one. Anything wrapped is, by its
// first byte,
//
//	1  raw key:  sealed
//	2  Argon2id (RFC 9106): 16 salt, be32 passes, be32 KiB, 1 lanes, sealed
//	3  PBKDF2-HMAC-SHA-256 (RFC 8018): 16 salt, be32 rounds, sealed
//
// with 2 to 10 passes, 19 to 256 MiB and 1 to 16 lanes, or 600,000 to 2,000,000
// rounds: all that costs a guesser less is refused. There sealed is 12 nonce, 32 bytes of AES-256-GCM ciphertext, 16 tag, with
// associated data "hipaakit keyring v1", name length in one byte, name,
// be32 version: a wrapped key does not unwrap under another name. What a Remote
// wraps is its own affair; package envelope/awskms has kind 4.
//
// A key derives with HKDF-Expand-SHA-384 (RFC 5869), as package envelope says.
package keyring
