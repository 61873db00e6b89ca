package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version prints what was built from what; bug reports need all of it.
func (t terminal) version(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("version takes no arguments; %w", errUsage)
	}
	version, revision := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(t.out, "hipaactl %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
