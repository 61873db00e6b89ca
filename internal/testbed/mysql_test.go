package testbed

import (
	"errors"
	"testing"
)

func TestMySQLServersFollowEachOtherAlsoAfterACrash(t *testing.T) {
	p := NewPair(t, Options{MySQL: true, Replicated: true})
	one, two := p.Servers[0], p.Servers[1]
	for _, s := range p.Servers {
		if err := ping(open(t, p, s, clientTLS(p, s.Name))); err != nil {
			t.Errorf("server %d: %v", s.ID, err)
		}
		if err := ping(open(t, p, s, nil)); err == nil {
			t.Errorf("server %d lets in without TLS", s.ID)
		}
	}
	one.SQL("CREATE TABLE app.note (id INT PRIMARY KEY AUTO_INCREMENT)", "INSERT INTO app.note VALUES ()")
	two.AwaitCaughtUp(one)
	two.SQL("INSERT INTO app.note VALUES ()")
	one.AwaitCaughtUp(two)

	two.Kill()
	one.SQL("INSERT INTO app.note VALUES ()")
	two.Start()
	two.awaitReplication() // by its init-file
	two.AwaitCaughtUp(one)
	for _, s := range p.Servers {
		if n := count(t, s, "SELECT COUNT(*) FROM app.note"); n != 3 {
			t.Errorf("server %d has %d rows, want 3", s.ID, n)
		}
	}
	if n := count(t, one, "SELECT COUNT(*) FROM app.note WHERE id % 2 = 0"); n != 1 {
		t.Errorf("%d even ids, want the one that server 2 gave", n)
	}
	var ids [2]string
	for i, s := range p.Servers {
		if err := s.Root().QueryRow("SELECT @@server_uuid").Scan(&ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if ids[0] == ids[1] {
		t.Error("both servers have one UUID")
	}
}

func TestMySQLServersComeWithSemiSync(t *testing.T) {
	p := NewPair(t, Options{MySQL: true, Replicated: true, SemiSync: true})
	for _, s := range p.Servers {
		err := s.proc.await(func() error { // once the other one has caught up
			if n := count(t, s, "SELECT COUNT(*) FROM performance_schema.global_status WHERE VARIABLE_NAME='Rpl_semi_sync_source_status' AND VARIABLE_VALUE='ON'"); n != 1 {
				return errors.New("semi-sync is not active")
			}
			return nil
		})
		if err != nil {
			t.Errorf("server %d: %v", s.ID, err)
		}
	}
}
