package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says what a run's times depend on, and not which machine it was.
func machine(cores int) string {
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", processor("/proc/cpuinfo"), cores, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// processor is the model that Linux names in file.
func processor(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return "unknown processor"
}
