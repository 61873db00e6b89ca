package invalidate_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

// store stands for the application's cache.
type store struct{ name string }

func (s store) Changing(key string) { fmt.Println(s.name, "will not keep", key) }
func (s store) Changed(key string)  { fmt.Println(s.name, "drops", key) }
func (s store) Suspect()            {}

// Two nodes; in an application each is a process of its own, with a certificate from a file.
func Example() {
	ca, ctx := newAuthority(), context.Background()
	o := invalidate.Options{LandingTime: 10 * time.Millisecond} // so that the example is fresh at once
	socketA, socketB := listen(), listen()
	a, err := invalidate.New(ca.identity("a.internal", socketA),
		[]invalidate.Peer{{Name: "b.internal", URL: "https://" + socketB.Addr().String()}}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := invalidate.New(ca.identity("b.internal", socketB),
		[]invalidate.Peer{{Name: "a.internal", URL: "https://" + socketA.Addr().String()}}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close(ctx)
	defer b.Close(ctx)
	if err := b.Start(ctx, store{"b"}); err != nil {
		fmt.Println(err)
	}
	if err := a.Start(ctx, store{"a"}); err != nil {
		fmt.Println(err)
	}
	for !b.Fresh("records/7") {
		time.Sleep(time.Millisecond)
	}

	done, err := a.Announce(ctx, "records/7")
	if err != nil {
		return // nothing may be written
	}
	fmt.Println("b may serve it unconfirmed:", b.Fresh("records/7"))
	// ... write to S3, then:
	done()

	// Output:
	// b will not keep records/7
	// b may serve it unconfirmed: false
	// b drops records/7
}
