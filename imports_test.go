package hipaakit

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hipaakit/hipaakit"

// allowed says, for each package of the module, what it may import directly:
// packages of the module by their folder, modules of others by their prefix. The
// standard library is free.
var allowed = map[string][]string{
	"":                  {},
	"internal/forkjoin": {},
	"internal/expand":   {},
	"envelope/floe":     {"internal/forkjoin", "internal/expand"},
	"envelope":          {"envelope/floe", "internal/forkjoin", "internal/expand", "github.com/klauspost/compress"},
	"envelope/keyring":  {"envelope", "internal/expand", "golang.org/x/crypto"},
	"envelope/awskms":   {"envelope", "envelope/keyring", "github.com/aws"},
	"diskcache":         {"github.com/klauspost/compress", "github.com/hashicorp/golang-lru/v2"},
	"invalidate":        {},
	"dbfailover":        {"github.com/go-sql-driver/mysql"},
	"s3store":           {"envelope", "envelope/keyring", "diskcache", "github.com/aws"},
	"s3store/s3test":    {"s3store", "envelope", "envelope/keyring", "diskcache", "github.com/aws"},
	"internal/testbed":  {"github.com/go-sql-driver/mysql"},
	"cmd/hipaactl":      {"envelope", "envelope/keyring", "s3store", "dbfailover", "github.com/aws", "golang.org/x/term"},
}

// TestArrowsPointDown holds every import of the module against the list above.
func TestArrowsPointDown(t *testing.T) {
	packages := listed(t, "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	if len(packages) < 8 {
		t.Fatalf("only %d packages", len(packages))
	}
	for _, line := range packages {
		fields := strings.Fields(line)
		for _, wrong := range violations(folder(fields[0]), fields[1:]) {
			t.Errorf("%s must not import %s", fields[0], wrong)
		}
	}
}

// violations returns what the package in a folder imports and may not.
func violations(pkg string, imports []string) (wrong []string) {
	rules, known := allowed[pkg]
	for _, imp := range imports {
		standard := !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
		ok := slices.ContainsFunc(rules, func(rule string) bool {
			return rule == folder(imp) || strings.HasPrefix(imp+"/", rule+"/")
		})
		if !known || !standard && !ok {
			wrong = append(wrong, imp)
		}
	}
	return wrong
}

func folder(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

func TestViolationsAreFound(t *testing.T) {
	for pkg, imp := range map[string]string{
		"envelope": module + "/s3store", "s3store": module + "/invalidate", "invalidate": module + "/s3store",
		"diskcache": module + "/envelope", "dbfailover": "github.com/aws/aws-sdk-go-v2/aws",
		"s3store/other": "fmt", "envelope/floe": "github.com/klauspost/compress/zstd",
		"cmd/hipaactl": "github.com/awsome/thing",
	} {
		if len(violations(pkg, []string{imp})) != 1 {
			t.Errorf("%s importing %s is not found", pkg, imp)
		}
	}
	if w := violations("s3store", []string{"context", module + "/envelope", "github.com/aws/aws-sdk-go-v2/service/s3"}); len(w) > 0 {
		t.Errorf("found %v", w)
	}
}

// TestApplicationsStayLight keeps what examples and benchmarks need, and what
// tests start, out of the modules that an application has to download.
func TestApplicationsStayLight(t *testing.T) {
	for _, line := range listed(t, "list", "-m", "all") {
		for _, heavy := range []string{"dolthub", "gofakes3", "versitygw", "sirupsen", "go.opentelemetry.io", "google.golang.org"} {
			if strings.Contains(line, heavy) {
				t.Errorf("the module graph holds %s", line)
			}
		}
	}
	for _, line := range listed(t, "list", "-deps", "./s3store", "./invalidate", "./dbfailover", "./diskcache", "./envelope/...") {
		if line == "testing" || strings.Contains(line, module+"/internal/testbed") {
			t.Errorf("an application would link %s", line)
		}
	}
}

func listed(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
