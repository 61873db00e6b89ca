package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// mysqlTests is the name under which tests get MySQL servers in place of MariaDB's. They
// are skipped where those are not to be had; see package testbed.
const mysqlTests = "TestMySQL"

// The same tests as those of MariaDB, by the same functions: what is promised does not
// depend on whose servers they are.
func TestMySQL(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"ScriptLocksTheAccountWhereItDoesNotWrite":         TestScriptLocksTheAccountWhereItDoesNotWrite,
		"ScriptOpensNoServer":                              TestScriptOpensNoServer,
		"FenceKillsOnlyItsOwnAccount":                      TestFenceKillsOnlyItsOwnAccount,
		"FenceEndsOpenTransactionsAndSurvivesACrash":       TestFenceEndsOpenTransactionsAndSurvivesACrash,
		"EpochsAreTakenOnce":                               TestEpochsAreTakenOnce,
		"GateStopsAServerThatWasNotFenced":                 TestGateStopsAServerThatWasNotFenced,
		"ProceduresAreNotForStrangers":                     TestProceduresAreNotForStrangers,
		"RightsBeyondTheApplicationsSchemasAreRefused":     TestRightsBeyondTheApplicationsSchemasAreRefused,
		"EventsInTheApplicationsSchemasAreRefused":         TestEventsInTheApplicationsSchemasAreRefused,
		"QuarantineKeepsOutProceduresToo":                  TestQuarantineKeepsOutProceduresToo,
		"TailIsFoundInPieces":                              TestTailIsFoundInPieces,
		"NeighboursBrokenReplicationMovesNobody":           TestNeighboursBrokenReplicationMovesNobody,
		"RowsSkippedByAnotherNodesMoveTaintARealServer":    TestRowsSkippedByAnotherNodesMoveTaintARealServer,
		"GateWithoutAnEpochDoesNotStopReplicationForGood":  TestGateWithoutAnEpochDoesNotStopReplicationForGood,
		"TwoQuarantinesEndOnRealServers":                   TestTwoQuarantinesEndOnRealServers,
		"LiftOfAnEarlierEpochIsRefused":                    TestLiftOfAnEarlierEpochIsRefused,
		"ScriptRunAgainKeepsTheFilterInStep":               TestScriptRunAgainKeepsTheFilterInStep,
		"PlannedSwitchMovesEveryNodeAndEveryRow":           TestPlannedSwitchMovesEveryNodeAndEveryRow,
		"KilledPrimaryIsReplacedAndReturnsFenced":          TestKilledPrimaryIsReplacedAndReturnsFenced,
		"TailTaintsTheOldServer":                           TestTailTaintsTheOldServer,
		"WhenSyncedLeadsHomeByItself":                      TestWhenSyncedLeadsHomeByItself,
		"EqualEpochsFreezeTheRealPair":                     TestEqualEpochsFreezeTheRealPair,
		"SemiSyncAndSharedWritersAreReported":              TestSemiSyncAndSharedWritersAreReported,
		"ForceOntoATaintedServerFindsTheOthersTailLater":   TestForceOntoATaintedServerFindsTheOthersTailLater,
		"ServerThatPassedOverATailIsNotInStep":             TestServerThatPassedOverATailIsNotInStep,
		"ServerThatPassedOverATailIsFoundOutWhenItReturns": TestServerThatPassedOverATailIsFoundOutWhenItReturns,
		"RunTxRepeatsWhatASwitchCut":                       TestRunTxRepeatsWhatASwitchCut,
		"RotatedPasswordAndClientCertificate":              TestRotatedPasswordAndClientCertificate,
		"EverythingIsAsTheDriverHasIt":                     TestEverythingIsAsTheDriverHasIt,
		"AbandonedCallIsKilled":                            TestAbandonedCallIsKilled,
		"FenceFindsThreadsThatGoByAnotherName":             TestFenceFindsThreadsThatGoByAnotherName,
		"QuarantineThatWasCutShortCountsFromItsBeginning":  TestQuarantineThatWasCutShortCountsFromItsBeginning,
		"QuarantineWhoseEndWasCutShortIsEndedAgain":        TestQuarantineWhoseEndWasCutShortIsEndedAgain,
		"PurgedLogIsATail":                                 TestPurgedLogIsATail,
		"ReadOnlyServerLocksTheAccountsWhenItBoots":        TestReadOnlyServerLocksTheAccountsWhenItBoots,
		"ProceduresDoNotDependOnWhatIsSetForTheServer":     TestProceduresDoNotDependOnWhatIsSetForTheServer,
		"ProceduresWriteUnderEveryKindOfTransaction":       TestProceduresWriteUnderEveryKindOfTransaction,
		"ServerThatRefusesCanariesIsNotPromoted":           TestServerThatRefusesCanariesIsNotPromoted,
		"ServerThatNobodyHasJudgedMixesNoRows":             TestServerThatNobodyHasJudgedMixesNoRows,
		"ServerThatIsJudgedLaterLetsTheNeighbourGoOn":      TestServerThatIsJudgedLaterLetsTheNeighbourGoOn,
		"AppliersGoOnAfterAChangeOfFiltersWasCutShort":     TestAppliersGoOnAfterAChangeOfFiltersWasCutShort,
		"PromotionThatWasCutShortIsATail":                  TestPromotionThatWasCutShortIsATail,
		"FenceByAnOldLookFindsTheTail":                     TestFenceByAnOldLookFindsTheTail,
		"ServerWhoseGateDoesNotArriveIsNotPromoted":        TestServerWhoseGateDoesNotArriveIsNotPromoted,
		"ServerStartedWithoutBootIsNotTakenForOpen":        TestServerStartedWithoutBootIsNotTakenForOpen,
		"ServerStartedWithoutBootIsOpenedOnProof":          TestServerStartedWithoutBootIsOpenedOnProof,
		"TheStartOfAServerStaysTheSame":                    TestTheStartOfAServerStaysTheSame,
		"RepairUnderSemiSyncMissesNothing":                 TestRepairUnderSemiSyncMissesNothing,
		"RepairBesideAWriterInUseMissesNothing":            TestRepairBesideAWriterInUseMissesNothing,
		"SwitchToAServerUnderABackupIsRefused":             TestSwitchToAServerUnderABackupIsRefused,
		"History":                                          TestHistoryOfProcessesUnderRandomFaults,
	} {
		t.Run(name, test)
	}
}

// Rights by MySQL's names: who has one of these cannot be locked out, or writes past the
// fence.
func TestMySQLAccountsThatCannotBeFencedAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	s := d.station(t, "north", 1)
	const who = "north_app@'127.0.0.1'"
	one.SQL("SET sql_log_bin=0", "CREATE TABLE south.t (id INT, x INT)", "CREATE ROLE inner_role", "CREATE ROLE outer_role", "CREATE ROLE everybodys@localhost",
		"GRANT CONNECTION_ADMIN ON *.* TO inner_role", "GRANT INSERT ON south.* TO inner_role", "GRANT inner_role TO outer_role",
		"GRANT SUPER ON *.* TO everybodys@localhost")
	for _, c := range []struct{ do, undo, want string }{
		{"GRANT SUPER ON *.* TO " + who, "REVOKE SUPER ON *.* FROM " + who, "SUPER"},
		{"GRANT CREATE USER ON *.* TO " + who, "REVOKE CREATE USER ON *.* FROM " + who, "CREATE USER"},
		{"GRANT SYSTEM_USER ON *.* TO " + who, "REVOKE SYSTEM_USER ON *.* FROM " + who, "SYSTEM_USER"},
		{"GRANT SESSION_VARIABLES_ADMIN ON *.* TO " + who, "REVOKE SESSION_VARIABLES_ADMIN ON *.* FROM " + who, "SESSION_VARIABLES_ADMIN"},
		{"GRANT SET_ANY_DEFINER ON *.* TO " + who, "REVOKE SET_ANY_DEFINER ON *.* FROM " + who, "SET_ANY_DEFINER"},
		{"CREATE DEFINER=" + who + " EVENT north.e ON SCHEDULE EVERY 1 DAY DO DO 1", "DROP EVENT north.e", "events"},
		{"GRANT INSERT ON south.* TO " + who, "REVOKE INSERT ON south.* FROM " + who, "another application's schemas"},
		{"GRANT SELECT, INSERT ON *.* TO " + who, "REVOKE SELECT, INSERT ON *.* FROM " + who, "on every schema"},
		{"GRANT EXECUTE ON hipaakit.* TO " + who, "REVOKE EXECUTE ON hipaakit.* FROM " + who, "another application's schemas"},
		{"GRANT EXECUTE ON PROCEDURE hipaakit.lock_south TO " + who, "REVOKE EXECUTE ON PROCEDURE hipaakit.lock_south FROM " + who, "a procedure that is not the application's: hipaakit.lock_south"},
		{"GRANT INSERT ON south.t TO " + who, "REVOKE INSERT ON south.t FROM " + who, "a table that is not the application's: south.t"},
		{"GRANT UPDATE (x) ON south.t TO " + who, "REVOKE UPDATE (x) ON south.t FROM " + who, "a table that is not the application's: south.t"},
		{"GRANT INSERT ON spare.* TO " + who, "REVOKE INSERT ON spare.* FROM " + who, "not among the application's: spare"},
		{"GRANT outer_role TO " + who, "REVOKE outer_role FROM " + who, "CONNECTION_ADMIN"},
		{"GRANT inner_role TO " + who, "REVOKE inner_role FROM " + who, "another application's schemas"},
		{"SET GLOBAL mandatory_roles='`outer_role`@`%`, nobody'", "SET GLOBAL mandatory_roles=''", "CONNECTION_ADMIN"},
		{"SET GLOBAL mandatory_roles='everybodys@localhost'", "SET GLOBAL mandatory_roles=''", "SUPER"},
		{"INSERT INTO hipaakit.owned VALUES ('south', 'north', 'north.%')", "DELETE FROM hipaakit.owned WHERE app='south' AND schema_name='north'", "belong to the application south"},
		{"STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD", ""},
	} {
		one.SQL("SET sql_log_bin=0", c.do)
		list, err := s.refusals(t.Context())
		if err != nil || (len(list) == 0) != (c.want == "") || !strings.Contains(strings.Join(list, "; "), c.want) {
			t.Errorf("after %q: %v, %v", c.do, list, err)
		}
		one.SQL("SET sql_log_bin=0", c.undo)
		if list, err := s.refusals(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after %q: %v, %v", c.undo, list, err)
		}
	}
	// A gate that the other appliers pass is none.
	one.SQL("STOP REPLICA SQL_THREAD", "SET GLOBAL replica_preserve_commit_order=OFF", "START REPLICA SQL_THREAD")
	if list, err := s.refusals(t.Context()); err != nil || len(list) != 1 || !strings.Contains(list[0], "replica_preserve_commit_order") {
		t.Errorf("without the order of commits: %v, %v", list, err)
	}
}

func TestMySQLTailSeesCompressedTransactions(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	since := d.look(t, "north", 1).at
	one.SQL("SET SESSION binlog_transaction_compression=ON", "INSERT INTO north.note (text) VALUES ('a'), ('b')", "INSERT INTO south.note (text) VALUES ('not ours')",
		"BEGIN", "INSERT INTO north.note (text) VALUES ('c')", "INSERT INTO north.note (text) VALUES ('d')", "COMMIT")
	if found, err := d.station(t, "north", 1).tail(t.Context(), since); err != nil || !strings.HasPrefix(found, "2 transactions") {
		t.Errorf("tail %q, %v", found, err)
	}
}

// What an administrator has set in the filters stays, and what is set already is not set
// again: that would stop the appliers.
func TestMySQLFiltersOfOthersStay(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	one.SQL("STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('other.tmp%', 'x\\\\_y.%'), REPLICATE_IGNORE_DB = (`odd-db`, plain)",
		"START REPLICA SQL_THREAD")
	filters := func() string { return filtersOf(t, one) }
	before := filters()
	since := func() string {
		var at string
		must(t, one.Root().QueryRow("SELECT MAX(ACTIVE_SINCE) FROM performance_schema.replication_applier_filters").Scan(&at))
		return at
	}
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)")
	if got := filters(); got != `odd-db,plain,north,north_log; other.tmp%,x\_y.%,north.%,north\_log.%` {
		t.Errorf("in quarantine: %s", got)
	}
	first := since()
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)")
	if since() != first {
		t.Error("set again")
	}
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', FALSE)")
	if got := filters(); got != before {
		t.Errorf("after it %s, before it %s", got, before)
	}
	eventually(t, "replication runs", func() bool { return d.look(t, "north", 1).feed.running() })
}
