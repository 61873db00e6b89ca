package hipaakit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADMEIsCompiled finds each Go block of README.md, to the letter but for
// indentation, in example_test.go.
func TestREADMEIsCompiled(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d Go blocks", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(outdented(string(code)), outdented(b[1])) {
			t.Errorf("not in example_test.go:\n%s", b[1])
		}
	}
}

func outdented(code string) string {
	lines := strings.Split(strings.TrimSpace(code), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}
