package dbfailover

import "testing"

// mysqlTests is the name under which tests get MySQL servers in place of MariaDB's. They
// are skipped where those are not to be had; see package testbed.
const mysqlTests = "TestMySQL"

// The same tests as those of MariaDB, by the same functions: what is promised does not
// depend on whose servers they are.
func TestMySQL(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Script locks the account where it does not write": TestScriptLocksTheAccountWhereItDoesNotWrite,
		"Fence ends open transactions":                     TestFenceEndsOpenTransactionsAndSurvivesACrash,
		"Epochs are taken once":                            TestEpochsAreTakenOnce,
		"Gate stops a server that was not fenced":          TestGateStopsAServerThatWasNotFenced,
	} {
		t.Run(name, test)
	}
}
