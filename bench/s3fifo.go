package main

// s3fifo is the policy as published (J. Yang et al., "FIFO queues are all you need
// for cache eviction", SOSP 2023), over entries of one size: a small queue that most
// leave soon, a main one that those enter which were used meanwhile, or come back
// before they are forgotten.
type s3fifo struct {
	size        int
	small, main []int
	uses        map[int]int // of what is kept, up to three
	ghosts      map[int]bool
	forgetting  []int // ghosts, the next to be forgotten first
}

func newS3FIFO(size int) *s3fifo {
	return &s3fifo{size: size, uses: map[int]int{}, ghosts: map[int]bool{}}
}

func (q *s3fifo) get(key int) bool {
	uses, ok := q.uses[key]
	if ok {
		q.uses[key] = min(uses+1, 3)
	}
	return ok
}

func (q *s3fifo) put(key int) {
	for len(q.uses) >= q.size {
		if len(q.small) > q.size/10 || len(q.main) == 0 {
			q.leaveSmall()
		} else {
			q.leaveMain()
		}
	}
	q.uses[key] = 0
	if q.ghosts[key] {
		q.main = append(q.main, key)
	} else {
		q.small = append(q.small, key)
	}
}

func (q *s3fifo) leaveSmall() {
	key := q.small[0]
	q.small = q.small[1:]
	if q.uses[key] > 0 {
		q.uses[key] = 0
		q.main = append(q.main, key)
		return
	}
	delete(q.uses, key)
	q.ghosts[key] = true
	q.forgetting = append(q.forgetting, key)
	if len(q.forgetting) > q.size*9/10 {
		delete(q.ghosts, q.forgetting[0])
		q.forgetting = q.forgetting[1:]
	}
}

func (q *s3fifo) leaveMain() {
	key := q.main[0]
	q.main = q.main[1:]
	if q.uses[key] == 0 {
		delete(q.uses, key)
		return
	}
	q.uses[key]--
	q.main = append(q.main, key)
}
