package dbfailover

import (
	"context"
	"sync"
	"time"
)

const (
	// credentialsAge is how long the checks go on with the same credentials, so
	// that a vault is not asked ten times a second.
	credentialsAge = time.Minute
	// credentialsTime is how long the callback may take when the checks ask it.
	credentialsTime = 5 * time.Second
)

// held is what a prober knows of the credentials; its goroutine's alone, but for
// the answer it waits for.
type held struct {
	creds   Credentials
	known   bool // creds were answered at least once
	askedAt time.Time
	coming  chan answer    // nil while nothing is asked
	asks    sync.WaitGroup // the question being asked
}

type answer struct {
	creds Credentials
	err   error
}

// refresh renews the credentials when they are old. Only without any is there
// nothing to check with and the answer is waited for; otherwise the checks go on
// with the last ones, while a vault is slow and after it has failed. A vault often
// goes away together with a server: waiting would blind the checks just then.
func (p *prober) refresh(ctx context.Context) error {
	select {
	case a := <-p.coming:
		p.coming = nil
		p.take(a)
	default:
	}
	switch {
	case !p.known:
		return p.askNow(ctx)
	case p.coming == nil && time.Since(p.askedAt) >= credentialsAge:
		p.askedAt = time.Now()
		coming := make(chan answer, 1)
		p.coming = coming
		p.asks.Go(func() { coming <- p.question(ctx) })
	}
	return nil
}

// askNow waits for the answer. One that is still coming is older and forgotten.
func (p *prober) askNow(ctx context.Context) error {
	p.coming, p.askedAt = nil, time.Now()
	a := p.question(ctx)
	p.take(a)
	return a.err
}

func (p *prober) question(ctx context.Context) answer {
	limited, cancel := context.WithTimeout(ctx, credentialsTime)
	defer cancel()
	creds, err := p.end.credentials(limited)
	return answer{creds, err}
}

func (p *prober) take(a answer) {
	if a.err == nil {
		p.creds, p.known = a.creds, true
	}
}
