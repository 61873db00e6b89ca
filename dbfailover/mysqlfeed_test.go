package dbfailover

import "testing"

func mysqlStatus(sql, applied, errno string) [][]string {
	return [][]string{
		{"Replica_IO_Running", "Replica_SQL_Running", "Retrieved_Gtid_Set", "Executed_Gtid_Set", "Last_SQL_Errno", "Last_SQL_Error",
			"Seconds_Behind_Source", "Relay_Log_File", "Relay_Log_Pos"},
		{"Yes", sql, uuidOne + ":1-20", applied, errno, "Coordinator stopped because there were error(s) in the worker(s).", "3", "relay.000002", "400"},
	}
}

// Several appliers: the status does not repeat what they complain of, now and then has the
// error of one that only followed, and its place in the log is behind what others applied.
func TestWhatMySQLReceivedAndDidNotApply(t *testing.T) {
	const gate = "Worker 1 failed executing transaction; Query: 'REPLACE INTO hipaakit.gate VALUES ('north',  NAME_CONST('p_number',2))'"
	gtid := func(n string) []string {
		return []string{"relay.000002", "400", "Gtid", "1", "450", "SET @@SESSION.GTID_NEXT= '" + uuidOne + ":" + n + "'"}
	}
	south := []string{"relay.000002", "450", "Table_map", "1", "500", "table_id: 18 (south.note)"}
	north := []string{"relay.000002", "450", "Table_map", "1", "500", "table_id: 18 (north.note)"}
	for what, c := range map[string]struct {
		status         [][]string
		complaint      string
		log            [][]string
		applied, gated bool
	}{
		"all of it":                       {status: mysqlStatus("Yes", uuidOne+":1-20,"+uuidTwo+":1-9", "0"), applied: true},
		"it is at it":                     {status: mysqlStatus("Yes", uuidOne+":1-18", "0")},
		"our gate":                        {status: mysqlStatus("No", uuidOne+":1-18", "1644"), complaint: gate, log: relayed(gtid("19"), north, gtid("20"), north), gated: true},
		"our gate, told by one behind":    {status: mysqlStatus("No", uuidOne+":1-18", "3030"), complaint: gate, log: relayed(gtid("19"), north), gated: true},
		"another error, told by one":      {status: mysqlStatus("No", uuidOne+":1-18", "3030"), log: relayed(gtid("19"), north)},
		"stopped by us":                   {status: mysqlStatus("No", uuidOne+":1-18", "0"), complaint: cutShort, gated: true},
		"ours was applied by another":     {status: mysqlStatus("No", uuidOne+":1-17:19", "1062"), log: relayed(gtid("18"), south, gtid("19"), north, gtid("20"), south), applied: true},
		"the log ends before all is read": {status: mysqlStatus("No", uuidOne+":1-18", "1062"), log: relayed(gtid("19"), south)},
	} {
		conn := &scripted{answers: map[string][][]string{
			"SHOW REPLICA STATUS": c.status, "CALL hipaakit.log_north('RELAYLOG', 'relay.000002', 400, ": c.log,
		}}
		end := &endpoint{met: &met{}}
		end.met.note("9.7.4")
		l := &looker{app: "north", node: "n", schemas: []string{"north"}, end: end}
		f, err := l.follow(t.Context(), conn, false, c.complaint)
		if err != nil || f.applied != c.applied || f.gated != c.gated || !f.receiving || f.lag != 3 {
			t.Errorf("%s: %+v, %v", what, f, err)
		}
	}
}
