# The full test suite: installs what is missing, then runs everything.

export HIPAAKIT_REQUIRE_SERVERS := 1
export PATH := $(CURDIR)/.tools/bin:$(PATH)

# How long each fuzz target runs in "make test"; "make fuzz" takes ten minutes.
FUZZTIME ?= 10s

.PHONY: test tools lint unit fips modules fuzz-short fuzz crash chaos versions quickstart bench

test: tools lint unit fips modules fuzz-short

tools:
	scripts/install-test-tools.sh

lint:
	scripts/lint.sh

# Database failover on its own: it watches real servers with timers of a quarter of a
# second, which a machine that is busy with something else would set off.
unit:
	go test -race -count=1 -timeout 20m $$(go list ./... | grep -v /dbfailover)
	go test -race -count=1 -timeout 20m ./dbfailover

# What seals and opens must do so where only approved cryptography is allowed. Of
# database failover: how it logs in, and one life of a pair with all its procedures. Not the
# comparison with the bare driver, which logs in by SHA-1.
fips:
	GODEBUG=fips140=only go test -count=1 ./envelope/... ./diskcache/...
	GODEBUG=fips140=only go test -count=1 ./dbfailover -run 'TLS|Login|Greeting|Plugin|Certificate|Challenge|Driver|Tail|PlannedSwitch|KilledPrimary' -skip AsTheDriverHasIt
	GODEBUG=fips140=only go test -count=1 ./dbfailover -run '^TestFaults$$/^SIGSTOP$$'

# Nested modules are never entered by ./... at the root.
modules:
	go -C bench test -race -count=1 ./...
	go -C examples test -race -count=1 ./...
	go -C s3store/s3test/embedded test -race -count=1 ./...

fuzz-short:
	go test ./envelope/floe -run '^$$' -fuzz '^FuzzReader$$' -fuzztime $(FUZZTIME)
	go test ./diskcache -run '^$$' -fuzz '^FuzzDecompress$$' -fuzztime $(FUZZTIME)
	for target in Open Header Body SeekTable; do \
		go test ./envelope -run '^$$' -fuzz "^Fuzz$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
	done

fuzz:
	$(MAKE) fuzz-short FUZZTIME=10m

# What "make test" does in short: processes killed 200 times, restarts of ten
# million entries, streams of a gigabyte, an object of 5 GiB.
crash:
	DISKCACHE_KILL_ROUNDS=200 DISKCACHE_OPERATIONS=1000000 DISKCACHE_RESTART_ENTRIES=10000000 DISKCACHE_STREAM_BYTES=1073741824 DISKCACHE_INDEX_ENTRIES=10000000 go test -count=1 -timeout 60m ./diskcache -run 'Killed|OpenServes|Flat|Operations|Flipped|Random|Stored|StreamIsRead|CacheTakes'
	HIPAAKIT_LARGE=1 go test -count=1 ./s3store -run 'MemoryIsBounded'

# Database failover under random faults: the table of what each fault costs, 20 minutes
# of processes, thousands of schedules, thousands of switches.
# A failure prints the seed; DBFAILOVER_SEED=n repeats its faults.
chaos:
	DBFAILOVER_MYSQL=all go test -count=1 -timeout 40m -v ./dbfailover -run '^Test(MySQL)?Faults$$'
	DBFAILOVER_CHAOS=20m go test -count=1 -timeout 40m -v ./dbfailover -run TestHistory
	DBFAILOVER_CHAOS=20m go test -count=1 -timeout 40m -v ./dbfailover -run '^TestMySQL$$/^History$$'
	DBFAILOVER_SCHEDULES=5000 go test -count=1 -timeout 60m ./dbfailover -run TestOneWriter
	DBFAILOVER_SWITCHES=2000 go test -count=1 -timeout 60m ./dbfailover -run TestManySwitches

# Database failover with the oldest and the newest versions that distributions have, beside
# those of "make test".
versions: tools
	scripts/unpack-server.sh mariadb-10.5 bullseye mariadb-server-10.5
	scripts/unpack-server.sh mariadb-11.8 trixie mariadb-server
	scripts/unpack-server.sh mysql-8.0 noble mysql-server-core-8.0
	scripts/unpack-server.sh mysql-8.4 resolute mysql-server-core
	for version in 10.5 11.8; do \
		HIPAAKIT_MARIADB=$(CURDIR)/.tools/mariadb-$$version go test -count=1 -timeout 40m ./internal/testbed ./dbfailover -skip 'MySQL|OneWriter' || exit 1; \
	done
	for version in 8.0 8.4; do \
		HIPAAKIT_REQUIRE_MYSQL=1 HIPAAKIT_MYSQL=$(CURDIR)/.tools/mysql-$$version go test -count=1 -timeout 40m ./internal/testbed ./dbfailover -run MySQL || exit 1; \
	done

quickstart:
	go -C examples run ./quickstart

bench:
	go -C bench run .
