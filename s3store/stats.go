package s3store

import "sync/atomic"

// Stats counts what a store did since it was made.
type Stats struct {
	Hits        int64 // served from the cache without asking S3
	Confirmed   int64 // served from the cache after S3 said it is current
	Fetched     int64 // bodies read from S3
	Ranges      int64 // ranges read from S3, by Open
	Stale       int64 // served unconfirmed while S3 was away
	Puts        int64 // Put, Copy, Rewrap, Restore
	Deletes     int64
	Retries     int64 // requests to S3 that were tried again
	CacheErrors int64 // the cache failed; nobody noticed but the log
}

type counters struct {
	hits, confirmed, fetched, ranges, stale, puts, deletes, retries, cacheErrors atomic.Int64
}

// Stats returns the counts; each is exact, but they are not of one moment.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{
		Hits: c.hits.Load(), Confirmed: c.confirmed.Load(), Fetched: c.fetched.Load(),
		Ranges: c.ranges.Load(), Stale: c.stale.Load(), Retries: c.retries.Load(),
		Puts: c.puts.Load(), Deletes: c.deletes.Load(), CacheErrors: c.cacheErrors.Load(),
	}
}
