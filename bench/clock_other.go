//go:build !unix

package main

import "time"

var started = time.Now()

// processorTime is the time on the wall, where the system's own way is not known.
func processorTime() time.Duration { return time.Since(started) }
