package s3store

import "context"

// Coherence is what a store needs of the nodes that share its bucket. A
// *invalidate.Node is one. Safe for concurrent use.
type Coherence interface {
	// Fresh reports whether a cached entry of key may be served without asking
	// S3. It is on the path of every hit.
	Fresh(key string) bool
	// Announce tells every other node that key is about to change. It returns
	// when no node can be serving key unconfirmed any more; with an error nothing
	// may be written. done tells the nodes that the change is over.
	Announce(ctx context.Context, key string) (done func(), err error)
}

// Shredder is a [Coherence] that reaches the other nodes when a key is destroyed. A
// *invalidate.Node is one.
type Shredder interface {
	// Shred has [Store.Shred] called with keys on every other node. It returns when each
	// has answered or cannot be reached: nil if all have done it, else an error for
	// each that may not have, joined.
	Shred(ctx context.Context, keys []string) error
}

// alone is the Coherence of a store without peers.
type alone struct{}

func (alone) Fresh(string) bool { return true }

func (alone) Announce(context.Context, string) (func(), error) { return func() {}, nil }

// Changing is for the store's [Coherence]: a peer is about to write key.
// Fetches that are under way may not be shared or inserted any more. It does not
// block.
func (s *Store) Changing(key string) {
	s.revoke(key)
}

// Changed is for the store's [Coherence]: a peer has written key. It does not
// block on the network.
func (s *Store) Changed(key string) { s.drop(key) }

// Suspect is for the store's [Coherence]: something may have been missed.
// Every cached entry is confirmed with S3, once, before it is served again.
func (s *Store) Suspect() {
	if s.cache != nil {
		s.cache.Suspect()
	}
}
