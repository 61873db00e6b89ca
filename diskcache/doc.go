// Package diskcache keeps encrypted copies of data on a machine's own disk,
// with the ones used last in memory. It is made for instance storage: large,
// fast, rented, and not trusted to keep a secret or even to keep a byte.
//
// A hit in memory takes no lock, no copy and no allocation. A hit on disk is one
// pread, one AES-GCM open and one decompression by a codec made for it (compress.go):
// of FHIR JSON that takes less than half the time in which os.ReadFile reads a plain
// file of 4 KiB, three quarters at 64 KiB, and as long at a megabyte. A restarted process
// finds its entries again, at some 0.15 us of one core for each.
//
// # What it promises
//
//   - Right bytes or a miss. Every byte on disk is authenticated, together
//     with its key, version, sequence number, file and offset. A flipped bit, a
//     truncated or exchanged file, or an old record copied over a new one is a
//     miss; never an error, a panic, or data of another key.
//   - Nothing readable on disk: neither data, nor keys, nor what belongs to
//     them. What shows is how long each record is after compression, and whether
//     it is of a group, but not of which.
//   - Nothing by halves. A stream is an entry once [Writer.Commit] has returned nil,
//     with all that was declared. Of one that was aborted, fenced, cut off by an error,
//     or whose process was killed, nothing is left but space that is reclaimed. What
//     is read in ranges is authenticated like everything, and of one version.
//   - Nothing stale through a race. A [Fence], captured before the fetch, says
//     whether the key has been revoked, dropped or made suspect, or its group
//     shredded since; if so, [Cache.Put] inserts nothing. The check and the
//     insert are one step.
//   - Nothing believed without reason. Every entry found at start is suspect,
//     and so is, after [Cache.Suspect], every older one, until
//     [Cache.Confirm] names exactly its version.
//   - What was dropped stays dropped, and what was replaced stays replaced, also when
//     the process is killed an instant later, whatever is evicted or copied in between.
//     (Should the disk refuse to take note, the log says so, and the entry may be found
//     by the next process: as a suspect. Should it refuse to tell, all that is not
//     younger is void.)
//   - What was shredded cannot be read again from what is left in the folder:
//     [Cache.ShredGroup] destroys the secret of one group, [Cache.Shred] the key
//     of everything.
//   - Bounds. The folder never takes more than MaxBytes, indices and drops
//     included, kept plaintext never more than MemoryBytes, the index at most 48
//     bytes an entry, and up to half a terabyte the number of open files stays
//     in the hundreds. A twentieth of the file system stays free; where others take
//     it, each Put gives back a share and fails until there is room.
//   - What is used stays. Segments are reclaimed by S3-FIFO with a probation
//     that adapts (policy.go); in simulation the hit ratio is above LRU's on
//     Zipf, scans and loops, and within 0.012 of it where only recency counts.
//   - In nobody's way. A full or failing disk is an error from Put, a log
//     line, and misses; one that stalls holds those who are in it, at most eight or
//     two for each core, and the others are let pass within seconds. The cost of
//     Get, Put and Drop does not grow with the number of entries, no Put pays for more
//     than its share of reclaiming, or one segment, and the folder is listed at Open
//     and never again.
//
// # What it does not promise
//
//   - Durability. It is a cache: nothing but keys is synced, a power failure
//     costs what the kernel had not written, and a dropped entry may then be
//     found again. It is suspect, like every other.
//   - Secrecy from somebody who reads this process's memory.
//   - Shredding of what is elsewhere. Flash may keep the ciphertext of a
//     deleted file, and so may an image of the disk. With such an image from
//     before and the keyring that wraps the cache key, a shredded group can be
//     read; rotate and destroy the keyring's key as well if that matters.
//   - Hits while loading. Until [Cache.Loaded] is closed, what an earlier
//     process stored is a miss, as a whole: a drop of it might be in a file not
//     read yet.
//   - The same order of eviction after a restart: what was used is forgotten.
//   - Salvage: a flipped bit in the length or head of a record costs the
//     records behind it in that segment if its index blocks are damaged, too.
//   - Sharing. A folder belongs to one process; a second Open is refused.
//   - Data larger than half of MaxBytes, or than 256 GiB.
//   - That a large entry can be read to its end: a [Reader] does not keep its entry
//     from being evicted. What it has not read by then, it answers with [ErrGone].
//
// # Use
//
// The order of things is what makes it correct: first the fence, then the
// fetch, then the insert.
//
//	e, err := cache.Get(key)
//	if err == nil && !e.Suspect {
//		return e.Data, nil
//	}
//	fence := cache.Fence(key)
//	data, etag, err := fetch(ctx, key)
//	if err != nil {
//		return diskcache.View{}, err
//	}
//	view := diskcache.NewView(data)
//	_ = cache.Put(key, view, diskcache.Meta{Version: etag}, fence) // at worst a miss later
//	return view, nil
//
// If the entry is suspect, ask the source whether its version is still current,
// with a fence captured before asking, and Confirm it if so. Whoever writes to
// the source calls [Cache.Revoke], so that fetches under way insert nothing,
// captures a fence, writes, and Puts with that fence; after a write whose
// outcome is unknown, and for the writes of others, [Cache.Drop].
//
// Data that are large or come in pieces are put by [Cache.Create] or
// [Cache.PutFrom] and read by [Cache.Open], whole or in ranges, in two MiB of memory.
// Put and Get hold them in memory whole.
//
// # How it works
//
// Records are appended to segment files, about 256 of them for MaxBytes; a
// record above half a segment has a file of its own (apart.go), which a stream fills
// before it is known what it will be. An index in memory (index.go)
// maps the keyed hash of a key to file and offset in 32 bytes without a pointer.
// The key itself is in the sealed metadata only and is compared there, so two keys
// with one hash cost each other a miss. Nothing in a file is ever overwritten.
//
// Each segment carries its part of the index: a sealed block after every 1024
// records, and a trailer that leads to them. There is no other checkpoint that
// could be stale or damaged on its own; a segment without a trailer, after a
// crash, is scanned. Drops have files of their own, since they must outlive the
// records that they void. Of several records of a key the one with the highest
// sequence number counts. Formats are specified beside their constants: header.go
// (files), record.go and apart.go (records), block.go (index), drops.go, secrets.go, seal.go
// (encryption), key.go and folder.go.
//
// The random cache key is wrapped by the caller's [KeyWrapper] and stored beside
// the data. Each segment has a key derived from it, and for each group one that the
// group's random secret is mixed into, so random nonces never come near their
// limit. Everything runs under GODEBUG=fips140=only.
package diskcache
