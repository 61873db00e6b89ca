package testbed

import (
	"os"
	"testing"
)

// RequireVar is the environment variable that turns "skip, the server is not
// installed" into a failure when it is set to 1.
const RequireVar = "HIPAAKIT_REQUIRE_SERVERS"

// RequireOrSkip ends the calling test because what (a program and how to get
// it) is missing: as skipped, or as failed when [RequireVar] is 1.
func RequireOrSkip(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(RequireVar) == "1" {
		t.Fatalf("%s is set, but this machine lacks %s", RequireVar, what)
		return
	}
	t.Skipf("this machine lacks %s; set %s=1 to fail instead of skipping", what, RequireVar)
}
