package testbed

import (
	"os"
	"testing"
)

// RequireVar is the environment variable that turns "skip, the server is not
// installed" into a failure when it is set to 1.
const RequireVar = "HIPAAKIT_REQUIRE_SERVERS"

// RequireMySQLVar does the same for MySQL's servers, which are not in every
// distribution: with [RequireVar] alone their tests are skipped where they are missing.
const RequireMySQLVar = "HIPAAKIT_REQUIRE_MYSQL"

// RequireOrSkip ends the calling test because what (a program and how to get
// it) is missing: as skipped, or as failed when [RequireVar] is 1.
func RequireOrSkip(t testing.TB, what string) {
	t.Helper()
	failOrSkip(t, RequireVar, what)
}

func failOrSkip(t testing.TB, variable, what string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		t.Fatalf("%s is set, but this machine lacks %s", variable, what)
		return
	}
	t.Skipf("this machine lacks %s; set %s=1 to fail instead of skipping", what, variable)
}
