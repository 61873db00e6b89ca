package main

import "testing"

func workloadOf(t *testing.T, name string) workload {
	t.Helper()
	for _, w := range workloads {
		if w.name == name {
			return w
		}
	}
	t.Fatal("no workload", name)
	return workload{}
}

func policyOf(t *testing.T, name string, size int) policy {
	t.Helper()
	all, err := peerPolicies(size)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.name == name {
			return p.policy
		}
	}
	t.Fatal("no policy", name)
	return policy{}
}

// TestLoopsHaveTheRatiosTheyMustHave: what fits is missed once, and of what does not
// LRU always forgets what comes next.
func TestLoopsHaveTheRatiosTheyMustHave(t *testing.T) {
	const n, laps = 1000, 10
	for _, policy := range []string{"LRU", "2Q", "otter", "S3-FIFO"} {
		w := workloadOf(t, "loop of 0.9 of the cache")
		if got, want := w.ratio(n, laps, policyOf(t, policy, n)), 1-0.9/laps; got != want {
			t.Errorf("%s: %v of a loop that fits, want %v", policy, got, want)
		}
	}
	w := workloadOf(t, "loop of 1.5 of the cache")
	if got := w.ratio(n, laps, policyOf(t, "LRU", n)); got != 0 {
		t.Errorf("LRU finds %v of a loop that does not fit", got)
	}
	if got := w.ratio(n, laps, policyOf(t, "S3-FIFO", n)); got <= 0.2 {
		t.Errorf("S3-FIFO finds only %v of it", got)
	}
}

func TestEveryoneIsAskedForTheSameKeys(t *testing.T) {
	for _, w := range workloads {
		a, b := w.make(100), w.make(100)
		for i := range 2000 {
			if x, y := a(i), b(i); x != y || x < 0 {
				t.Fatalf("%s: %d and %d", w.name, x, y)
			}
		}
	}
}

func TestAScanIsNeverSeenAgain(t *testing.T) {
	seen, next := map[int]bool{}, workloadOf(t, "Zipf with scans").make(100)
	scans := 0
	for i := range 3200 {
		key := next(i)
		if key >= scanned {
			scans++
			if seen[key] {
				t.Fatal(key, "again")
			}
			seen[key] = true
		}
	}
	if scans != 1200 {
		t.Errorf("%d of 3200 are scans, want three of eight", scans)
	}
}

func TestS3FIFOKeepsWhatIsUsedThroughAScan(t *testing.T) {
	q := newS3FIFO(100)
	for key := range 50 {
		q.put(key)
		q.get(key)
	}
	for key := range 10_000 {
		if q.get(scanned + key) {
			t.Fatal("finds what was never put")
		}
		q.put(scanned + key)
		if len(q.uses) > 100 || len(q.small)+len(q.main) != len(q.uses) || len(q.ghosts) > 90 || len(q.ghosts) != len(q.forgetting) {
			t.Fatalf("%d kept, %d in queues, %d ghosts", len(q.uses), len(q.small)+len(q.main), len(q.ghosts))
		}
		if key%50 == 0 {
			for k := range 50 {
				q.get(k)
			}
		}
	}
	for key := range 50 {
		if !q.get(key) {
			t.Errorf("%d was pushed out by a scan", key)
		}
	}
}

func TestS3FIFOBringsBackWhatItRemembers(t *testing.T) {
	q := newS3FIFO(10)
	for key := range 12 {
		q.put(key)
	}
	if q.get(0) || !q.ghosts[0] {
		t.Fatal("0 should have left")
	}
	q.put(0)
	if len(q.main) != 1 || q.main[0] != 0 {
		t.Errorf("main is %v", q.main)
	}
}

// TestOursIsTheCacheItself: what it holds are entries on disk, and what fits is found.
func TestOursIsTheCacheItself(t *testing.T) {
	s := newCacheBench(t)
	ratio, held, err := s.ourRatio(workloadOf(t, "loop of 0.9 of the cache"))
	if err != nil || held < s.fits()/2 || held > s.fits()*3/2 || ratio < 0.5-0.1 || ratio > 0.56 {
		t.Errorf("ratio %v, %d held of about %d, %v", ratio, held, s.fits(), err)
	}
}
