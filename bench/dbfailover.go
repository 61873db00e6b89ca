package main

import (
	"errors"
	"fmt"
	"runtime"
)

// dbfailoverSuite measures what the connector adds to the driver, how fast queries get
// through to real servers, and how long a fault of the primary is felt; beside the bare
// driver, and beside the driver behind a haproxy on the same machine.
func dbfailoverSuite(b *bench) error {
	if err := b.overhead(); err != nil {
		return err
	}
	err := onHost(func(h *host) error {
		f := &failoverBench{bench: b, host: h}
		// Servers, proxy and clients share the machine, as all of them would do it.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(b.cores))
		if err := f.begin(); err != nil {
			return err
		}
		for _, part := range []func() error{f.queries, f.faults} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNoServers) {
		b.remark("dbfailover: queries and faults are not measured: %v", err)
		return nil
	}
	return err
}

// remark says something beside the measurements.
func (b *bench) remark(format string, args ...any) {
	if b.progress != nil {
		fmt.Fprintf(b.progress, format+"\n", args...)
	}
}
