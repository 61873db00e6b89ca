package main

import (
	"context"
	"errors"
	"testing"
)

func TestCancelledPromptIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reading, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		<-reading
		cancel()
	}()
	line, err := await(ctx, func() ([]byte, error) {
		defer close(ended)
		close(reading)
		<-release // a line that comes after everything is over
		return []byte("too late"), nil
	})
	if line != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", line, err)
	}
	close(release)
	<-ended
}

func TestPromptHandsOnLineAndError(t *testing.T) {
	broken := errors.New("broken terminal")
	line, err := await(t.Context(), func() ([]byte, error) { return []byte("line"), broken })
	if string(line) != "line" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", line, err)
	}
}
