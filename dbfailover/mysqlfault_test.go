package dbfailover

import "testing"

// The faults of the table, with MySQL's servers.
func TestMySQLFaults(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Kill":                    TestFaultKill,
		"Pause":                   TestFaultPause,
		"OnePath":                 TestFaultOnePath,
		"BothPaths":               TestFaultBothPaths,
		"ReplicationOnly":         TestFaultReplicationOnly,
		"BothRestarted":           TestFaultBothRestarted,
		"AllNodesRestarted":       TestFaultAllNodesRestartedDuringAnOutage,
		"BootLockedServer":        TestFaultBootLockedServerIsNotGuessed,
		"DiskFull":                TestFaultDiskFullFast,
		"TooManyConnections":      TestFaultTooManyConnections,
		"WrongPassword":           TestFaultWrongPasswordOfTheMonitor,
		"ExpiredCertificate":      TestFaultExpiredCertificate,
		"BrokenByThisApplication": TestFaultReplicationBrokenByThisApplication,
		"BrokenByTheOther":        TestFaultReplicationBrokenByTheOtherApplication,
		"RestoredFromAnOldCopy":   TestFaultRestoredFromAnOldCopy,
		"OldCopyStaysTainted":     TestFaultOldCopyStaysTainted,
		"LongStatementInASwitch":  TestFaultLongStatementAndTransactionDuringASwitch,
		"GlobalReadLock":          TestFaultGlobalReadLock,
	} {
		t.Run(name, test)
	}
}
