package dbfailover

import "testing"

// mysqlTests is the name under which tests get MySQL servers in place of MariaDB's. They
// are skipped where those are not to be had; see package testbed.
const mysqlTests = "TestMySQL"

// The same tests as those of MariaDB, by the same functions: what is promised does not
// depend on whose servers they are.
func TestMySQL(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"ScriptLocksTheAccountWhereItDoesNotWrite":        TestScriptLocksTheAccountWhereItDoesNotWrite,
		"ScriptOpensNoServer":                             TestScriptOpensNoServer,
		"FenceKillsOnlyItsOwnAccount":                     TestFenceKillsOnlyItsOwnAccount,
		"FenceEndsOpenTransactionsAndSurvivesACrash":      TestFenceEndsOpenTransactionsAndSurvivesACrash,
		"EpochsAreTakenOnce":                              TestEpochsAreTakenOnce,
		"GateStopsAServerThatWasNotFenced":                TestGateStopsAServerThatWasNotFenced,
		"ProceduresAreNotForStrangers":                    TestProceduresAreNotForStrangers,
		"TailIsFoundInPieces":                             TestTailIsFoundInPieces,
		"NeighboursBrokenReplicationMovesNobody":          TestNeighboursBrokenReplicationMovesNobody,
		"RowsSkippedByAnotherNodesMoveTaintARealServer":   TestRowsSkippedByAnotherNodesMoveTaintARealServer,
		"GateWithoutAnEpochDoesNotStopReplicationForGood": TestGateWithoutAnEpochDoesNotStopReplicationForGood,
		"TwoQuarantinesEndOnRealServers":                  TestTwoQuarantinesEndOnRealServers,
		"LiftOfAnEarlierEpochIsRefused":                   TestLiftOfAnEarlierEpochIsRefused,
		"ScriptRunAgainKeepsTheFilterInStep":              TestScriptRunAgainKeepsTheFilterInStep,
		"PrimaryIsUsedByBothApplications":                 TestPrimaryIsUsedByBothApplications,
		"PlannedSwitchMovesEveryNodeAndEveryRow":          TestPlannedSwitchMovesEveryNodeAndEveryRow,
		"KilledPrimaryIsReplacedAndReturnsFenced":         TestKilledPrimaryIsReplacedAndReturnsFenced,
		"TailTaintsTheOldServer":                          TestTailTaintsTheOldServer,
		"ManySwitchesAtOnceAreAllAnswered":                TestManySwitchesAtOnceAreAllAnswered,
		"WhenSyncedLeadsHomeByItself":                     TestWhenSyncedLeadsHomeByItself,
		"EqualEpochsFreezeTheRealPair":                    TestEqualEpochsFreezeTheRealPair,
		"SemiSyncAndSharedWritersAreReported":             TestSemiSyncAndSharedWritersAreReported,
		"FaultKill":                                       TestFaultKill,
		"FaultShutdown":                                   TestFaultShutdown,
		"FaultPause":                                      TestFaultPause,
		"FaultOnePath":                                    TestFaultOnePath,
		"FaultBothPaths":                                  TestFaultBothPaths,
		"FaultReplicationOnly":                            TestFaultReplicationOnly,
		"FaultQuickRestartWithinTheHoldOff":               TestFaultQuickRestartWithinTheHoldOff,
		"FaultBothRestarted":                              TestFaultBothRestarted,
		"FaultAllNodesRestartedDuringAnOutage":            TestFaultAllNodesRestartedDuringAnOutage,
		"FaultBootLockedServerIsNotGuessed":               TestFaultBootLockedServerIsNotGuessed,
		"FaultCanaryStall":                                TestFaultCanaryStall,
		"FaultDiskFullFast":                               TestFaultDiskFullFast,
		"FaultTooManyConnections":                         TestFaultTooManyConnections,
		"FaultWrongPasswordOfTheMonitor":                  TestFaultWrongPasswordOfTheMonitor,
		"FaultExpiredCertificate":                         TestFaultExpiredCertificate,
		"FaultReplicationBrokenByThisApplication":         TestFaultReplicationBrokenByThisApplication,
		"FaultReplicationBrokenByTheOtherApplication":     TestFaultReplicationBrokenByTheOtherApplication,
		"FaultRestoredFromAnOldCopy":                      TestFaultRestoredFromAnOldCopy,
		"FaultLongStatementAndTransactionDuringASwitch":   TestFaultLongStatementAndTransactionDuringASwitch,
		"FaultGlobalReadLock":                             TestFaultGlobalReadLock,
		"FaultOldCopyStaysTainted":                        TestFaultOldCopyStaysTainted,
		"HistoryOfProcessesUnderRandomFaults":             TestHistoryOfProcessesUnderRandomFaults,
		"RunTxRepeatsWhatASwitchCut":                      TestRunTxRepeatsWhatASwitchCut,
		"TransitionsOfThePairAreLoggedOnceAndShown":       TestTransitionsOfThePairAreLoggedOnceAndShown,
	} {
		t.Run(name, test)
	}
}
