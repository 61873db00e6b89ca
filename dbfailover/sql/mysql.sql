-- What the web nodes of {{.App}} need on each of the two servers (MySQL 8.0.23 or newer).
-- Run it on both, as an administrator, twice if need be: it keeps what is there. Nothing
-- of it is replicated, because accounts and epochs belong to one server each.
--
-- Before it, with passwords of their own, on both servers:
--   CREATE USER {{.User}}@... REQUIRE SSL;  GRANT ... ON {{.SchemaList}} TO it
--   CREATE USER {{.Monitor}} REQUIRE SSL
-- After it, in the configuration of both servers:
--   skip-replica-start
--   init-file=/etc/mysql/hipaakit.sql    -- two lines, see InitFile
-- Procedures keep the mode that they are made in: whatever the server's is (backslashes
-- that do not escape, quotes that name columns), it must not change what they do.
SET SESSION autocommit=1, SESSION transaction_read_only=0, SESSION sql_safe_updates=0, SESSION sql_log_bin=0,
  SESSION sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
//
CREATE DATABASE IF NOT EXISTS hipaakit CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
//
-- One row for each application. Every account may take every user-level lock, so the
-- names of those that procedures take are not to be guessed.
CREATE TABLE IF NOT EXISTS hipaakit.app (
  name VARCHAR(32) PRIMARY KEY, user VARCHAR(80) NOT NULL,
  latch CHAR(40) NOT NULL DEFAULT (LEFT(SHA2(CONCAT_WS(':', UUID(), RAND(), RAND(), SYSDATE(6)), 256), 40))) ENGINE=InnoDB
//
-- Whose schemas these are. The pattern is the schema's name as a wild card.
CREATE TABLE IF NOT EXISTS hipaakit.owned (
  app VARCHAR(32), schema_name VARCHAR(64), pattern VARCHAR(160) NOT NULL,
  PRIMARY KEY (app, schema_name)) ENGINE=InnoDB
//
-- Insert-only. Number n says that server may write from now on, having reached gtid.
-- forced: although it had a tail, which the other server has passed over.
CREATE TABLE IF NOT EXISTS hipaakit.epoch (
  app VARCHAR(32), number BIGINT UNSIGNED, server INT UNSIGNED NOT NULL, gtid TEXT NOT NULL, forced BOOLEAN NOT NULL DEFAULT FALSE,
  at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), PRIMARY KEY (app, number)) ENGINE=InnoDB
//
-- Applications whose schemas this server does not take over from the other one, since it
-- stood at that position: what came later it has passed over, and counts as its own.
CREATE TABLE IF NOT EXISTS hipaakit.quarantine (
  app VARCHAR(32) PRIMARY KEY, since TEXT NOT NULL, lifting BOOLEAN NOT NULL DEFAULT FALSE, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=InnoDB
//
-- What this script's procedures have set in the filters: schemas that an application had
-- before, too.
CREATE TABLE IF NOT EXISTS hipaakit.ignored (pattern VARCHAR(160) PRIMARY KEY, schema_name VARCHAR(64) NOT NULL) ENGINE=InnoDB
//
-- Channels whose appliers have been stopped for a change of the filters. To stop can take
-- as long as a statement of anybody's, and who waits may be killed: what is here has to be
-- started again.
CREATE TABLE IF NOT EXISTS hipaakit.paused (channel VARCHAR(64) PRIMARY KEY) ENGINE=InnoDB
//
-- Applications of which this server holds writes that the other one never got.
CREATE TABLE IF NOT EXISTS hipaakit.taint (
  app VARCHAR(32) PRIMARY KEY, number BIGINT UNSIGNED NOT NULL, tail TEXT NOT NULL,
  at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=InnoDB
//
-- Up to which epoch this server's tail has been looked for. Beside the rows of epoch,
-- which never change; it stays when a taint is repaired.
CREATE TABLE IF NOT EXISTS hipaakit.judged (
  app VARCHAR(32) PRIMARY KEY, number BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB
//
-- Whose tables these are. A server that was set up from a backup of the other one brings
-- that one's along, and what they say of quarantine and tails is not true of it.
CREATE TABLE IF NOT EXISTS hipaakit.home (one BOOLEAN PRIMARY KEY, server INT UNSIGNED NOT NULL) ENGINE=InnoDB
//
-- The start of the server in which an account was last locked, or opened by right. One that
-- is open in another start is so because nobody called boot.
CREATE TABLE IF NOT EXISTS hipaakit.settled (app VARCHAR(32) PRIMARY KEY, start BIGINT NOT NULL) ENGINE=InnoDB
//
-- Replicated. A web node proves here that it can write; each row is written on one
-- server only, so the two never conflict.
CREATE TABLE IF NOT EXISTS hipaakit.canary (
  app VARCHAR(32), server INT UNSIGNED, node VARCHAR(64), beat BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (app, server, node)) ENGINE=InnoDB
//
-- Replicated. The first event of an epoch: a server that has not been told of the
-- epoch, and so not been fenced, stops applying here, before it mixes the writes of
-- the new epoch with its own.
CREATE TABLE IF NOT EXISTS hipaakit.gate (
  app VARCHAR(32) PRIMARY KEY, number BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB
//
-- Whose rights the procedures have. Nobody can log in with it. Its password is none of
-- anybody's business; a rule for passwords may refuse an account without.
CREATE USER IF NOT EXISTS hipaakit@localhost IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK
//
ALTER USER hipaakit@localhost ACCOUNT LOCK
//
-- EVENT shows whose events there are, REPLICATION SLAVE the events of a log.
GRANT CREATE USER, PROCESS, EVENT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO hipaakit@localhost
//
-- SYSTEM_VARIABLES_ADMIN is for the boot alone.
GRANT CONNECTION_ADMIN, REPLICATION_SLAVE_ADMIN, SESSION_VARIABLES_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO hipaakit@localhost
//
GRANT SELECT ON mysql.* TO hipaakit@localhost
//
GRANT SELECT ON performance_schema.* TO hipaakit@localhost
//
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, TRIGGER ON hipaakit.* TO hipaakit@localhost
//
DROP FUNCTION IF EXISTS hipaakit.latch
//
-- Never NULL, which is no name of a lock.
CREATE DEFINER=hipaakit@localhost FUNCTION hipaakit.latch(p_app VARCHAR(32)) RETURNS CHAR(40)
READS SQL DATA SQL SECURITY DEFINER
RETURN IFNULL((SELECT latch FROM hipaakit.app WHERE name = p_app), 'hipaakit')
//
-- When the server was started, in seconds since 1970: the same whatever became of its clock
-- since then, because Uptime is counted with that, too.
DROP FUNCTION IF EXISTS hipaakit.started
//
CREATE DEFINER=hipaakit@localhost FUNCTION hipaakit.started() RETURNS BIGINT
READS SQL DATA SQL SECURITY DEFINER
RETURN UNIX_TIMESTAMP() - (SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime')
//
-- Under a lock: no gate may come in between, where the script is run again.
LOCK TABLES hipaakit.gate WRITE
//
DROP TRIGGER IF EXISTS hipaakit.gate_insert
//
CREATE DEFINER=hipaakit@localhost TRIGGER hipaakit.gate_insert BEFORE INSERT ON hipaakit.gate FOR EACH ROW
BEGIN
  -- The promotion itself comes before its row, and is told by the lock that it holds.
  -- A row of the other one's without a position tells of a server that may have a tail: first
  -- somebody has to look for it.
  IF NOT IFNULL(IS_USED_LOCK(hipaakit.latch(NEW.app)) = CONNECTION_ID(), FALSE)
      AND (SELECT IFNULL(MAX(number), 0) FROM hipaakit.epoch WHERE app = NEW.app
        AND NOT (gtid = '' AND number > 1 AND server <> @@GLOBAL.server_id -- the session's is the sender's
          AND number > (SELECT IFNULL(MAX(number), 0) FROM hipaakit.judged WHERE app = NEW.app))) < NEW.number THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1644, MESSAGE_TEXT = 'hipaakit gate: this server has not been fenced';
  END IF;
END
//
UNLOCK TABLES
//
-- Internal, as are all procedures without GRANT below. Every session begins with what is set
-- for the whole server: with autocommit=0 a check would read one snapshot for ever, and
-- nothing of what follows could be done; nor under the others. READ COMMITTED, which many
-- set, lets nobody log a statement.
DROP PROCEDURE IF EXISTS hipaakit.own_settings
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.own_settings()
SQL SECURITY DEFINER
SET SESSION autocommit = 1, SESSION transaction_read_only = FALSE, SESSION transaction_isolation = 'REPEATABLE-READ',
  SESSION completion_type = 0, SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1
//
-- One statement for all hosts of an account: all are locked, or none. p_lock NULL does
-- nothing; nor does a lock where all are locked, or a backup's lock would hold up the fence
-- of a server that is out of use.
DROP PROCEDURE IF EXISTS hipaakit.set_lock
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.set_lock(p_user VARCHAR(80), p_lock BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  SET SESSION group_concat_max_len = 1000000;
  SELECT IF(p_lock AND SUM(account_locked = 'N') = 0, NULL,
      CONCAT('ALTER USER ', GROUP_CONCAT(QUOTE(User), '@', QUOTE(Host)), IF(p_lock, ' ACCOUNT LOCK', ' ACCOUNT UNLOCK')))
    INTO @hipaakit_do FROM mysql.user WHERE CAST(User AS BINARY) = CAST(p_user AS BINARY);
  IF @hipaakit_do IS NOT NULL AND p_lock IS NOT NULL THEN
    PREPARE hipaakit_do FROM @hipaakit_do;
    EXECUTE hipaakit_do;
    DEALLOCATE PREPARE hipaakit_do;
  END IF;
END
//
-- Whether accounts can be changed now, by a change that changes nothing. A backup's lock
-- (LOCK INSTANCE FOR BACKUP) lets rows through and holds accounts up, for as long as the backup
-- takes; who finds that out after the epoch's row has left the application without a server.
DROP PROCEDURE IF EXISTS hipaakit.changeable
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.changeable()
SQL SECURITY DEFINER
BEGIN
  SET SESSION lock_wait_timeout = 1;
  ALTER USER hipaakit@localhost ACCOUNT LOCK;
  SET SESSION lock_wait_timeout = @@GLOBAL.lock_wait_timeout;
END
//
-- Kills until nobody is left for two looks in a row, for half a second at most, because the
-- other web nodes wait meanwhile, and call again: a login that was let in just before the
-- lock shows up under its name a moment later. The lists
-- of processes compare names without case; accounts do not. There are two: one cannot miss
-- a thread, but is put together on disk, which may be full (1114), and in a procedure a
-- thread goes by the definer's name there; performance_schema's has the name of the login,
-- and as much room as it was given.
DROP PROCEDURE IF EXISTS hipaakit.evict
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.evict(p_user VARCHAR(80), OUT p_left INT)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_quiet, v_more INT DEFAULT 0;
  DECLARE v_end DOUBLE DEFAULT UNIX_TIMESTAMP(SYSDATE(3)) + 0.5;
  DECLARE v_id BIGINT UNSIGNED;
  REPEAT
    BEGIN
      DECLARE v_none BOOLEAN DEFAULT FALSE;
      DECLARE threads CURSOR FOR SELECT ID FROM information_schema.PROCESSLIST WHERE CAST(USER AS BINARY) = CAST(p_user AS BINARY);
      DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_none = TRUE;
      DECLARE EXIT HANDLER FOR 1114 BEGIN END;
      OPEN threads;
      killing: LOOP
        FETCH threads INTO v_id;
        IF v_none THEN LEAVE killing; END IF;
        CALL hipaakit.evict_one(v_id);
      END LOOP;
      CLOSE threads;
    END;
    BEGIN
      DECLARE v_none BOOLEAN DEFAULT FALSE;
      DECLARE threads CURSOR FOR SELECT ID FROM performance_schema.processlist WHERE CAST(USER AS BINARY) = CAST(p_user AS BINARY);
      DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_none = TRUE;
      OPEN threads;
      killing: LOOP
        FETCH threads INTO v_id;
        IF v_none THEN LEAVE killing; END IF;
        CALL hipaakit.evict_one(v_id);
      END LOOP;
      CLOSE threads;
    END;
    DO SLEEP(0.002);
    SELECT COUNT(*) INTO p_left FROM performance_schema.processlist WHERE CAST(USER AS BINARY) = CAST(p_user AS BINARY);
    BEGIN
      DECLARE EXIT HANDLER FOR 1114 BEGIN END;
      SET v_more = 0;
      SELECT COUNT(*) INTO v_more FROM information_schema.PROCESSLIST WHERE CAST(USER AS BINARY) = CAST(p_user AS BINARY);
    END;
    SET p_left = GREATEST(p_left, v_more);
    IF p_left = 0 THEN CALL hipaakit.unseen(p_left); END IF;
    SET v_quiet = IF(p_left = 0, v_quiet + 1, 0);
  UNTIL v_quiet = 2 OR UNIX_TIMESTAMP(SYSDATE(3)) > v_end END REPEAT;
END
//
-- How many threads go by no name that could be believed: performance_schema had no room for
-- them, and they are in the middle of a statement, so that the other list may show the name
-- of a definer. Those that log in, wait for their next statement, or replicate go by their own.
DROP PROCEDURE IF EXISTS hipaakit.unseen
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.unseen(OUT p_count INT)
SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR 1114 SET p_count = 1;
  SET p_count = 0;
  IF EXISTS (SELECT 1 FROM performance_schema.global_status
      WHERE VARIABLE_NAME IN ('Performance_schema_thread_instances_lost', 'Performance_schema_thread_classes_lost') AND VARIABLE_VALUE > 0) THEN
    SELECT COUNT(*) INTO p_count FROM information_schema.PROCESSLIST
      WHERE COMMAND NOT IN ('Sleep', 'Connect', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND USER <> 'system user'
      AND ID <> CONNECTION_ID() AND ID NOT IN (SELECT ID FROM performance_schema.processlist);
  END IF;
END
//
DROP PROCEDURE IF EXISTS hipaakit.evict_one
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.evict_one(p_id BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- it ended by itself
  KILL CONNECTION p_id;
END
//
-- One filter as it has to be: what others have set, and the schemas in quarantine. p_list
-- is that as a statement wants it. It is read of the default channel, if there is that: of
-- a filter that has been emptied, the table of the global ones (seen in 9.7) shows the rule
-- of another.
DROP PROCEDURE IF EXISTS hipaakit.compose
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.compose(p_filter VARCHAR(64), OUT p_now TEXT, OUT p_next TEXT, OUT p_list TEXT)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_rest, v_item TEXT;
  SET SESSION group_concat_max_len = 1000000;
  IF EXISTS (SELECT 1 FROM performance_schema.replication_connection_configuration WHERE CHANNEL_NAME = '') THEN
    SELECT MAX(FILTER_RULE) INTO p_now FROM performance_schema.replication_applier_filters WHERE CHANNEL_NAME = '' AND FILTER_NAME = p_filter;
  ELSE
    SELECT MAX(FILTER_RULE) INTO p_now FROM performance_schema.replication_applier_global_filters WHERE FILTER_NAME = p_filter;
  END IF;
  SET p_now = IFNULL(p_now, '');
  SET v_rest = p_now, p_next = '', p_list = '';
  WHILE v_rest <> '' DO
    SET v_item = SUBSTRING_INDEX(v_rest, ',', 1);
    SET v_rest = SUBSTRING(v_rest, CHAR_LENGTH(v_item) + 2);
    IF v_item <> '' AND NOT EXISTS (SELECT 1 FROM hipaakit.owned WHERE v_item IN (pattern, schema_name))
        AND NOT EXISTS (SELECT 1 FROM hipaakit.ignored WHERE v_item IN (pattern, schema_name)) THEN
      SET p_next = CONCAT(p_next, ',', v_item);
      SET p_list = CONCAT(p_list, ',', IF(p_filter = 'REPLICATE_IGNORE_DB', CONCAT('`', v_item, '`'), QUOTE(v_item)));
    END IF;
  END WHILE;
  SELECT CONCAT(p_next, IFNULL(GROUP_CONCAT(',', IF(p_filter = 'REPLICATE_IGNORE_DB', schema_name, pattern) ORDER BY schema_name SEPARATOR ''), '')),
      CONCAT(p_list, IFNULL(GROUP_CONCAT(',', IF(p_filter = 'REPLICATE_IGNORE_DB', CONCAT('`', schema_name, '`'), QUOTE(pattern))
        ORDER BY schema_name SEPARATOR ''), ''))
    INTO p_next, p_list FROM hipaakit.owned JOIN hipaakit.quarantine USING (app) WHERE NOT lifting;
  SET p_next = TRIM(BOTH ',' FROM p_next), p_list = TRIM(BOTH ',' FROM p_list);
END
//
-- Makes the replication filters say what the table quarantine says, and leaves what others
-- have set alone. Two filters, because CREATE PROCEDURE changes no table: it is passed over
-- by its default schema. Only the applying threads pause, for milliseconds, and only those
-- that were running: receiving goes on. @hipaakit_stood is where the server stood in that
-- pause.
DROP PROCEDURE IF EXISTS hipaakit.refilter
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.refilter()
SQL SECURITY DEFINER
BEGIN
  DECLARE v_tables, v_next_tables, v_list_tables, v_schemas, v_next_schemas, v_list_schemas, v_channel TEXT;
  DECLARE v_none BOOLEAN DEFAULT FALSE;
  DECLARE stopped CURSOR FOR SELECT channel FROM hipaakit.paused;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_none = TRUE;
  SET @hipaakit_stood = REPLACE(@@GLOBAL.gtid_executed, '\n', '');
  CALL hipaakit.compose('REPLICATE_WILD_IGNORE_TABLE', v_tables, v_next_tables, v_list_tables);
  CALL hipaakit.compose('REPLICATE_IGNORE_DB', v_schemas, v_next_schemas, v_list_schemas);
  DELETE FROM hipaakit.ignored;
  INSERT IGNORE INTO hipaakit.ignored SELECT pattern, schema_name FROM hipaakit.owned JOIN hipaakit.quarantine USING (app) WHERE NOT lifting;
  IF v_next_tables <> v_tables OR v_next_schemas <> v_schemas OR EXISTS (SELECT 1 FROM hipaakit.paused) THEN
    INSERT IGNORE INTO hipaakit.paused
      SELECT CHANNEL_NAME FROM performance_schema.replication_applier_status WHERE SERVICE_STATE = 'ON';
    STOP REPLICA SQL_THREAD;
    SET @hipaakit_stood = REPLACE(@@GLOBAL.gtid_executed, '\n', '');
    SET @hipaakit_do = CONCAT('CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = (', v_list_tables,
      '), REPLICATE_IGNORE_DB = (', v_list_schemas, ')');
    PREPARE hipaakit_do FROM @hipaakit_do;
    EXECUTE hipaakit_do;
    DEALLOCATE PREPARE hipaakit_do;
    SET v_none = FALSE;
    OPEN stopped;
    again: LOOP
      FETCH stopped INTO v_channel;
      IF v_none THEN LEAVE again; END IF;
      SET @hipaakit_do = CONCAT('START REPLICA SQL_THREAD FOR CHANNEL ', QUOTE(v_channel));
      PREPARE hipaakit_do FROM @hipaakit_do;
      EXECUTE hipaakit_do;
      DEALLOCATE PREPARE hipaakit_do;
    END LOOP;
    CLOSE stopped;
    DELETE FROM hipaakit.paused;
  END IF;
END
//
-- Two applications may change the filter at once: one at a time.
DROP PROCEDURE IF EXISTS hipaakit.set_quarantine
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.set_quarantine(p_app VARCHAR(32), p_on BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_new BOOLEAN DEFAULT FALSE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('')); RESIGNAL; END;
  IF IFNULL(GET_LOCK(hipaakit.latch(''), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'hipaakit: the filter is being changed';
  END IF;
  -- Whenever this is cut short, the row says no more than is true: not yet in step, since
  -- no later than it is.
  IF p_on THEN
    INSERT INTO hipaakit.quarantine (app, since) VALUES (p_app, REPLACE(@@GLOBAL.gtid_executed, '\n', '')) ON DUPLICATE KEY UPDATE lifting = FALSE;
    SET v_new = ROW_COUNT() = 1;
  ELSE
    UPDATE hipaakit.quarantine SET lifting = TRUE WHERE app = p_app;
  END IF;
  CALL hipaakit.refilter();
  IF v_new THEN UPDATE hipaakit.quarantine SET since = @hipaakit_stood WHERE app = p_app; END IF;
  IF NOT p_on THEN DELETE FROM hipaakit.quarantine WHERE app = p_app; END IF;
  DO RELEASE_LOCK(hipaakit.latch(''));
END
//
-- Forgets what is another server's.
DROP PROCEDURE IF EXISTS hipaakit.settle_in
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.settle_in()
SQL SECURITY DEFINER
BEGIN
  IF EXISTS (SELECT 1 FROM hipaakit.home WHERE server <> @@server_id) THEN
    DELETE FROM hipaakit.quarantine;
    DELETE FROM hipaakit.taint;
    DELETE FROM hipaakit.judged;
  END IF;
  REPLACE INTO hipaakit.home VALUES (TRUE, @@server_id);
END
//
CALL hipaakit.settle_in()
//
-- Called by init-file, before the server accepts connections and before it replicates.
-- super_read_only is in force by then where it was made lasting, and lets nobody lock an
-- account: it is set aside so long.
DROP PROCEDURE IF EXISTS hipaakit.boot
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.boot()
SQL SECURITY DEFINER
BEGIN
  DECLARE v_super BOOLEAN DEFAULT @@GLOBAL.super_read_only;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET GLOBAL super_read_only = v_super; RESIGNAL; END;
  SET GLOBAL super_read_only = OFF;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0, SESSION group_concat_max_len = 1000000;
  SELECT CONCAT('ALTER USER ', GROUP_CONCAT(QUOTE(u.User), '@', QUOTE(u.Host)), ' ACCOUNT LOCK')
    INTO @hipaakit_do FROM mysql.user u JOIN hipaakit.app a ON CAST(u.User AS BINARY) = CAST(a.user AS BINARY) WHERE a.name <> '';
  IF @hipaakit_do IS NOT NULL THEN
    PREPARE hipaakit_do FROM @hipaakit_do;
    EXECUTE hipaakit_do;
    DEALLOCATE PREPARE hipaakit_do;
  END IF;
  REPLACE INTO hipaakit.settled SELECT name, hipaakit.started() FROM hipaakit.app;
  CALL hipaakit.settle_in();
  DELETE FROM hipaakit.paused;
  CALL hipaakit.refilter();
  SET GLOBAL super_read_only = v_super;
END
//
INSERT INTO hipaakit.app (name, user) VALUES ('{{.App}}', {{.User}}) AS new ON DUPLICATE KEY UPDATE user = new.user
//
-- The filter is everybody's.
INSERT IGNORE INTO hipaakit.app (name, user) VALUES ('', '')
//
DELETE FROM hipaakit.owned WHERE app = '{{.App}}'
//
INSERT INTO hipaakit.owned VALUES {{.Owned}}
//
-- The first epoch names the primary, on both servers; nothing else ever does by itself.
SET @hipaakit_first = NOT EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}')
//
INSERT INTO hipaakit.epoch (app, number, server, gtid)
  SELECT '{{.App}}', 1, {{.PrimaryID}}, '' FROM DUAL WHERE @hipaakit_first
//
-- What one check reads. At the end, beyond MariaDB's: the appliers' own complaints, as
-- with several of them the status of replication only says that there are some.
DROP PROCEDURE IF EXISTS hipaakit.look_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.look_{{.App}}(p_node VARCHAR(64))
SQL SECURITY DEFINER
BEGIN
-- A transaction is sent, and may be applied elsewhere, a moment before it counts as executed
-- here. Until then a thread owns it (uuid:5#3, and nothing between that and the next uuid),
-- so it is one or the other in this order.
DECLARE v_owned TEXT DEFAULT REGEXP_REPLACE(IFNULL(REGEXP_SUBSTR(@@GLOBAL.gtid_owned,
  CONCAT(@@server_uuid, '(:[a-z_][a-z_0-9]*|:[0-9]+#[0-9]+)*')), ''), '#[0-9]+', '');
CALL hipaakit.own_settings();
SELECT @@GLOBAL.read_only, @@server_id, REPLACE(@@GLOBAL.gtid_executed, '\n', ''),
  IFNULL(e.number, 0), IFNULL(e.server, 0), IFNULL(e.gtid, ''),
  NOT EXISTS (SELECT 1 FROM mysql.user WHERE User = {{.User}} AND account_locked = 'N')
  OR NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '{{.App}}' AND start = hipaakit.started()),
  IFNULL((SELECT tail FROM hipaakit.taint WHERE app = '{{.App}}'), ''),
  EXISTS (SELECT 1 FROM hipaakit.quarantine WHERE app = '{{.App}}'),
  (SELECT IFNULL(SUM(beat), 0) FROM hipaakit.canary WHERE app = '{{.App}}' AND server <> @@server_id AND node <> p_node),
  (SELECT COUNT(*) FROM hipaakit.epoch o JOIN (SELECT app, MAX(number) AS number FROM hipaakit.epoch GROUP BY app) top
    USING (app, number) WHERE o.app <> '{{.App}}' AND o.server = @@server_id),
  EXISTS (SELECT 1 FROM performance_schema.global_status
    WHERE VARIABLE_NAME IN ('Rpl_semi_sync_source_status', 'Rpl_semi_sync_master_status') AND VARIABLE_VALUE = 'ON')
  AND EXISTS (SELECT 1 FROM performance_schema.global_variables
    WHERE VARIABLE_NAME IN ('rpl_semi_sync_source_wait_point', 'rpl_semi_sync_master_wait_point') AND VARIABLE_VALUE = 'AFTER_SYNC'),
  IFNULL((SELECT number FROM hipaakit.judged WHERE app = '{{.App}}'), 0),
  CONCAT(v_owned, ',', REPLACE(@@GLOBAL.gtid_executed, '\n', '')), IFNULL(e.forced, FALSE),
  (SELECT IFNULL(MAX(beat), 0) FROM hipaakit.canary WHERE app = '{{.App}}' AND server <> @@server_id AND node = p_node),
  @@server_uuid,
  IF(EXISTS (SELECT 1 FROM hipaakit.paused) AND IS_FREE_LOCK(hipaakit.latch('')), 'hipaakit: paused',
  IFNULL((SELECT GROUP_CONCAT(LAST_ERROR_MESSAGE) FROM performance_schema.replication_applier_status_by_worker
    WHERE LAST_ERROR_NUMBER = 1644), ''))
FROM (SELECT 1) one LEFT JOIN
  (SELECT number, server, gtid, forced FROM hipaakit.epoch WHERE app = '{{.App}}' ORDER BY number DESC LIMIT 1) e ON TRUE;
END
//
-- Where this server stands; in quarantine, where it stood when that began: what it has
-- passed over since, @@gtid_executed counts as its own.
DROP PROCEDURE IF EXISTS hipaakit.position_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.position_{{.App}}()
SQL SECURITY DEFINER
BEGIN
  CALL hipaakit.own_settings();
  SELECT IFNULL((SELECT since FROM hipaakit.quarantine WHERE app = '{{.App}}'), REPLACE(@@GLOBAL.gtid_executed, '\n', ''));
END
//
-- A piece of a log: reading it takes a right that would send the monitor's account all
-- of it, rows and all.
DROP PROCEDURE IF EXISTS hipaakit.log_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.log_{{.App}}(
  p_log VARCHAR(8), p_file VARCHAR(255), p_from BIGINT UNSIGNED, p_limit INT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  SET @hipaakit_do = CONCAT('SHOW ', IF(p_log = 'RELAYLOG', 'RELAYLOG', 'BINLOG'), ' EVENTS IN ', QUOTE(p_file),
    ' FROM ', p_from, ' LIMIT ', p_limit);
  PREPARE hipaakit_do FROM @hipaakit_do;
  EXECUTE hipaakit_do;
  DEALLOCATE PREPARE hipaakit_do;
END
//
-- A write like the application's, through to the disk. A statement in the binary log,
-- not a row: a row that the other server lacks would stop its replication.
DROP PROCEDURE IF EXISTS hipaakit.canary_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.canary_{{.App}}(p_node VARCHAR(64), p_beat BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_me INT UNSIGNED DEFAULT @@server_id;
  CALL hipaakit.own_settings();
  SET SESSION binlog_format = STATEMENT;
  REPLACE INTO hipaakit.canary VALUES ('{{.App}}', v_me, p_node, p_beat);
END
//
-- What a web node refuses to work with, one row each. Rights count through roles as well,
-- also through those that everybody has; restrictions of rights are not subtracted.
DROP PROCEDURE IF EXISTS hipaakit.check_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.check_{{.App}}()
SQL SECURITY DEFINER
WITH RECURSIVE who (name) AS (
  SELECT CAST({{.User}} AS CHAR(128) CHARACTER SET utf8mb4) COLLATE utf8mb4_bin UNION
  SELECT CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin FROM mysql.user JOIN
    (SELECT REPLACE(REPLACE(REPLACE(REPLACE(@@GLOBAL.mandatory_roles, '`', ''), '''', ''), '"', ''), ' ', '') AS list) m
    WHERE FIND_IN_SET(CONCAT(User, '@', Host), m.list) OR Host = '%' AND FIND_IN_SET(User, m.list) UNION
  SELECT CONVERT(r.FROM_USER USING utf8mb4) COLLATE utf8mb4_bin FROM mysql.role_edges r
    JOIN who ON CONVERT(r.TO_USER USING utf8mb4) COLLATE utf8mb4_bin = who.name),
foreign_schema (name) AS (
  SELECT schema_name FROM hipaakit.owned WHERE app <> '{{.App}}' UNION
  SELECT CONVERT('hipaakit' USING utf8mb4) COLLATE utf8mb4_bin),
own_schema (name) AS (SELECT schema_name FROM hipaakit.owned WHERE app = '{{.App}}'),
-- The one kind of rights has columns, the other rows.
held (privilege) AS (
  SELECT j.p FROM mysql.user JOIN who ON CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin = who.name JOIN
    JSON_TABLE(JSON_ARRAY(IF(Insert_priv = 'Y', 'INSERT', ''), IF(Update_priv = 'Y', 'UPDATE', ''), IF(Delete_priv = 'Y', 'DELETE', ''),
      IF(Create_priv = 'Y', 'CREATE', ''), IF(Drop_priv = 'Y', 'DROP', ''), IF(Alter_priv = 'Y', 'ALTER', ''),
      IF(Execute_priv = 'Y', 'EXECUTE', ''), IF(Alter_routine_priv = 'Y', 'ALTER ROUTINE', ''), IF(Event_priv = 'Y', 'EVENT', ''),
      IF(Trigger_priv = 'Y', 'TRIGGER', ''), IF(Index_priv = 'Y', 'INDEX', ''), IF(References_priv = 'Y', 'REFERENCES', ''),
      IF(Create_view_priv = 'Y', 'CREATE VIEW', ''), IF(Create_routine_priv = 'Y', 'CREATE ROUTINE', ''),
      IF(Lock_tables_priv = 'Y', 'LOCK TABLES', '')), '$[*]' COLUMNS (p VARCHAR(40) PATH '$')) j WHERE j.p <> ''),
-- Patterns of schemas in which the account does more than read. What is granted there to the
-- account without a name, every account has.
reach (pattern, whose) AS (
  SELECT CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin, IF(User = '', ', as every account may', '') FROM mysql.db
    JOIN who ON CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin IN (who.name, '')
    WHERE 'Y' IN (Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Alter_priv, Trigger_priv, Event_priv, Execute_priv,
      Index_priv, References_priv, Create_view_priv, Create_routine_priv, Alter_routine_priv, Lock_tables_priv)),
-- Who has these cannot be locked out or killed, writes past read_only and the binary log,
-- or in somebody else's name, keeps a fence waiting for a lock, or stops the server.
above (privilege) AS (
  SELECT j.p FROM mysql.user JOIN who ON CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin = who.name JOIN
    JSON_TABLE(JSON_ARRAY(IF(Super_priv = 'Y', 'SUPER', ''), IF(Create_user_priv = 'Y', 'CREATE USER', ''),
      IF(Reload_priv = 'Y', 'RELOAD', ''), IF(Shutdown_priv = 'Y', 'SHUTDOWN', '')),
      '$[*]' COLUMNS (p VARCHAR(40) PATH '$')) j WHERE j.p <> '' UNION
  SELECT CONVERT(g.PRIV USING utf8mb4) COLLATE utf8mb4_bin FROM mysql.global_grants g
    JOIN who ON CONVERT(g.USER USING utf8mb4) COLLATE utf8mb4_bin = who.name
    WHERE g.PRIV IN ('SYSTEM_USER', 'CONNECTION_ADMIN', 'SYSTEM_VARIABLES_ADMIN', 'SESSION_VARIABLES_ADMIN', 'BINLOG_ADMIN',
      'REPLICATION_SLAVE_ADMIN', 'REPLICATION_APPLIER', 'SET_USER_ID', 'SET_ANY_DEFINER', 'ALLOW_NONEXISTENT_DEFINER',
      'ROLE_ADMIN', 'CLONE_ADMIN', 'BACKUP_ADMIN', 'FLUSH_TABLES'))
SELECT CONCAT('the account has the right ', privilege) FROM above
UNION SELECT CONCAT('the account has the right ', privilege, ' on every schema, another application''s too') FROM held
UNION SELECT 'the account owns events' FROM information_schema.EVENTS
  WHERE CAST(SUBSTRING_INDEX(DEFINER, '@', 1) AS BINARY) = CAST({{.User}} AS BINARY)
UNION SELECT CONCAT('the event ', EVENT_SCHEMA, '.', EVENT_NAME, ' is enabled: a fence does not end it') FROM information_schema.EVENTS
  WHERE STATUS = 'ENABLED' AND CONVERT(EVENT_SCHEMA USING utf8mb4) COLLATE utf8mb4_bin IN (SELECT name FROM own_schema)
UNION SELECT CONCAT('its schemas also belong to the application ', o.app) FROM hipaakit.owned o
  JOIN hipaakit.owned mine USING (schema_name) WHERE mine.app = '{{.App}}' AND o.app <> '{{.App}}'
UNION SELECT CONCAT('its account also belongs to the application ', name) FROM hipaakit.app
  WHERE user = {{.User}} AND name <> '{{.App}}'
UNION SELECT 'the account has rights on another application''s schemas' FROM reach JOIN foreign_schema f ON f.name LIKE pattern
UNION SELECT CONCAT('the account may write to a schema that is not among the application''s: ', pattern, whose) FROM reach
  WHERE REPLACE(pattern, '\\_', '_') NOT IN (SELECT name FROM own_schema)
UNION SELECT CONCAT('the account may write to a table that is not the application''s: ', Db, '.', Table_name) FROM mysql.tables_priv
  JOIN who ON CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin = who.name
  WHERE CONCAT(Table_priv, ',', Column_priv) RLIKE 'Insert|Update|Delete|Create|Drop|Alter|Trigger|Index|References'
  AND CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin NOT IN (SELECT name FROM own_schema)
UNION SELECT CONCAT('the account has rights on a procedure that is not the application''s: ', Db, '.', Routine_name) FROM mysql.procs_priv
  JOIN who ON CONVERT(User USING utf8mb4) COLLATE utf8mb4_bin = who.name
  WHERE CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin NOT IN (SELECT name FROM own_schema)
UNION SELECT 'the account does not exist' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM mysql.user WHERE User = {{.User}})
-- The server: without GTIDs there is no position; a gate that is passed by the other
-- appliers, or skipped, is none; filters are read from performance_schema.
UNION SELECT 'the server was started without hipaakit.boot in its init-file: accounts and filters are as somebody left them' FROM DUAL
  WHERE NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '' AND start = hipaakit.started())
UNION SELECT 'the server has no init-file, which has to call hipaakit.boot' FROM DUAL WHERE IFNULL(@@GLOBAL.init_file, '') = ''
UNION SELECT 'the server has gtid_mode other than ON' FROM DUAL WHERE @@GLOBAL.gtid_mode <> 'ON'
UNION SELECT 'the server has performance_schema=OFF' FROM DUAL WHERE NOT @@GLOBAL.performance_schema
UNION SELECT CONCAT('the server has performance_schema_max_thread_instances=', @@GLOBAL.performance_schema_max_thread_instances,
  ', and a fence may not see the threads beyond: leave it out of the configuration') FROM DUAL WHERE @@GLOBAL.performance_schema_max_thread_instances <> -1
UNION SELECT CONCAT('the server has performance_schema_max_thread_classes=', @@GLOBAL.performance_schema_max_thread_classes,
  ', which has no room for all of them, and a fence may not see a thread') FROM performance_schema.global_status
  WHERE VARIABLE_NAME = 'Performance_schema_thread_classes_lost' AND VARIABLE_VALUE > 0
UNION SELECT CONCAT('the server has replica_skip_errors=', VARIABLE_VALUE) FROM performance_schema.global_variables
  WHERE VARIABLE_NAME IN ('replica_skip_errors', 'slave_skip_errors') AND VARIABLE_VALUE <> 'OFF'
UNION SELECT 'the server has replica_preserve_commit_order=OFF and several appliers' FROM performance_schema.global_variables o
  JOIN performance_schema.global_variables w ON w.VARIABLE_NAME IN ('replica_parallel_workers', 'slave_parallel_workers')
  WHERE o.VARIABLE_NAME IN ('replica_preserve_commit_order', 'slave_preserve_commit_order') AND o.VARIABLE_VALUE = 'OFF'
  AND CAST(w.VARIABLE_VALUE AS UNSIGNED) > 1
UNION SELECT CONCAT('the server has ', FILTER_NAME, ' for the channel ''', CHANNEL_NAME, ''' alone, but a quarantine sets it for all: ',
  'set it without FOR CHANNEL')
  FROM performance_schema.replication_applier_filters
  WHERE FILTER_NAME IN ('REPLICATE_WILD_IGNORE_TABLE', 'REPLICATE_IGNORE_DB') AND CONFIGURED_BY RLIKE 'FOR_CHANNEL'
  AND (SELECT COUNT(*) FROM performance_schema.replication_connection_configuration) > 1
//
-- Locks the application out, if no epoch after p_number has begun here: a node that was
-- slow would otherwise lock the writer of a later one. Answers how many threads are left,
-- and the position.
DROP PROCEDURE IF EXISTS hipaakit.lock_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.lock_{{.App}}(p_number BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_left INT DEFAULT 1;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('{{.App}}')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF IFNULL(GET_LOCK(hipaakit.latch('{{.App}}'), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'hipaakit: somebody else is at it';
  END IF;
  IF EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}' AND number > p_number) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'hipaakit: overtaken by another epoch';
  END IF;
  CALL hipaakit.set_lock({{.User}}, TRUE);
  CALL hipaakit.evict({{.User}}, v_left);
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
  SELECT v_left, REPLACE(@@GLOBAL.gtid_executed, '\n', '');
END
//
-- Locks the application out for good: epoch p_number is p_server's. Only once nobody
-- is left is the position read (p_gtid NULL: where this server stands) and the row
-- written; with p_left also if killed threads do not end, so p_gtid is '' then. p_tail, if
-- any, is what this server has and the other never got; NULL says that nobody has looked.
DROP PROCEDURE IF EXISTS hipaakit.fence_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.fence_{{.App}}(
  p_number BIGINT UNSIGNED, p_server INT UNSIGNED, p_gtid TEXT, p_tail TEXT, p_left BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_left INT DEFAULT 1;
  DECLARE v_gtid TEXT DEFAULT '';
  DECLARE v_unseen INT;
  DECLARE v_wrote BOOLEAN; -- the last epoch that is known here is its own
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('{{.App}}')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF IFNULL(GET_LOCK(hipaakit.latch('{{.App}}'), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'hipaakit: somebody else is at it';
  END IF;
  -- A web node whose two names lead to one server would lock out the writer.
  IF p_server = @@server_id THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30005, MESSAGE_TEXT = 'hipaakit: the epoch is of this server';
  END IF;
  IF EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}'
      AND (number > p_number OR number = p_number AND server <> p_server)) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'hipaakit: overtaken by another epoch';
  END IF;
  SET v_wrote = (SELECT server = @@server_id FROM hipaakit.epoch WHERE app = '{{.App}}' ORDER BY number DESC LIMIT 1);
  CALL hipaakit.set_lock({{.User}}, TRUE);
  CALL hipaakit.evict({{.User}}, v_left);
  -- Past a thread that was killed and does not end, not past one that nobody could kill, because
  -- nobody knows whose it is: its client is still told of what it does.
  IF p_left AND v_left > 0 THEN
    CALL hipaakit.unseen(v_unseen);
    IF v_unseen > 0 THEN
      SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30007, MESSAGE_TEXT = 'hipaakit: threads are running of which nobody knows whose they are';
    END IF;
  END IF;
  IF v_left = 0 OR p_left THEN
    -- It may be in quarantine from an epoch of its own. If there is none, a promotion was cut
    -- short before it had one: what the other one has written since then is missing here.
    IF NOT v_wrote AND NOT EXISTS (SELECT 1 FROM hipaakit.taint WHERE app = '{{.App}}') THEN
      SET p_tail = IFNULL((SELECT CONCAT_WS('; and ', NULLIF(p_tail, ''), CONCAT('it has passed over what the other server wrote since ', since,
          ', when a promotion was cut short: copy the schemas from there'))
        FROM hipaakit.quarantine WHERE app = '{{.App}}' AND NOT lifting), p_tail);
    END IF;
    IF p_tail <> '' THEN
      REPLACE INTO hipaakit.taint (app, number, tail) VALUES ('{{.App}}', p_number, p_tail);
      CALL hipaakit.set_quarantine('{{.App}}', TRUE);
    END IF;
    -- From the gate on it has to follow.
    IF NOT EXISTS (SELECT 1 FROM hipaakit.taint WHERE app = '{{.App}}') THEN
      CALL hipaakit.set_quarantine('{{.App}}', FALSE);
    END IF;
    IF p_tail IS NOT NULL THEN
      REPLACE INTO hipaakit.judged VALUES ('{{.App}}', p_number);
    END IF;
    -- It may have been the writer since the caller has looked at it. No position says that
    -- nobody has looked for its tail.
    INSERT IGNORE INTO hipaakit.epoch (app, number, server, gtid)
      VALUES ('{{.App}}', p_number, p_server, IF(v_wrote AND p_tail IS NULL AND p_gtid IS NOT NULL, '', IFNULL(p_gtid, REPLACE(@@GLOBAL.gtid_executed, '\n', ''))));
    SELECT gtid INTO v_gtid FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number;
  END IF;
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
  SELECT v_left, v_gtid;
END
//
-- What a move asks the server that is to be opened, before anybody is locked out.
DROP PROCEDURE IF EXISTS hipaakit.ready_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.ready_{{.App}}()
SQL SECURITY DEFINER
BEGIN
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  CALL hipaakit.changeable();
END
//
-- Makes this server the writer of epoch p_number. Whoever calls it has fenced the
-- other server, or could not reach it (then p_quarantine is TRUE). Answers the position
-- of the epoch's row, which somebody else may have written a moment before, without the
-- other server: then what it took over since has skipped this application.
DROP PROCEDURE IF EXISTS hipaakit.promote_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.promote_{{.App}}(
  p_number BIGINT UNSIGNED, p_quarantine BOOLEAN, p_force BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_forced BOOLEAN DEFAULT EXISTS (SELECT 1 FROM hipaakit.taint WHERE app = '{{.App}}')
    OR p_force AND IFNULL((SELECT forced AND server = @@server_id FROM hipaakit.epoch WHERE app = '{{.App}}' ORDER BY number DESC LIMIT 1), FALSE);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK(hipaakit.latch('{{.App}}')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF IFNULL(GET_LOCK(hipaakit.latch('{{.App}}'), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'hipaakit: somebody else is at it';
  END IF;
  IF EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}'
      AND (number > p_number OR number = p_number AND server <> @@server_id)) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'hipaakit: overtaken by another epoch';
  END IF;
  IF v_forced AND NOT p_force THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30004, MESSAGE_TEXT = 'hipaakit: tainted';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number) THEN
    CALL hipaakit.changeable();
    SET @hipaakit_stood = REPLACE(@@GLOBAL.gtid_executed, '\n', '');
    IF p_quarantine THEN CALL hipaakit.set_quarantine('{{.App}}', TRUE); END IF;
    -- What a server in quarantine has passed over, it does not have, although its
    -- position says so: the other one's tail begins there.
    SELECT IFNULL(MAX(since), @hipaakit_stood) INTO @hipaakit_stood FROM hipaakit.quarantine WHERE app = '{{.App}}';
    -- The gate first: whoever lacks the row's position was not there in this epoch.
    SET SESSION binlog_format = STATEMENT, SESSION sql_log_bin = 1;
    REPLACE INTO hipaakit.gate VALUES ('{{.App}}', p_number);
    SET SESSION sql_log_bin = 0;
    START TRANSACTION; -- or the tail would be forgotten, and not that it was there
    DELETE FROM hipaakit.taint WHERE app = '{{.App}}';
    -- Where it stood, and what it wrote itself, the gate among it: of its own it skips
    -- nothing.
    INSERT INTO hipaakit.epoch (app, number, server, gtid, forced)
      VALUES ('{{.App}}', p_number, @@server_id, REPLACE(GTID_SUBTRACT(TRIM(BOTH ',' FROM CONCAT(@hipaakit_stood, ',',
        IFNULL(REGEXP_SUBSTR(REPLACE(@@GLOBAL.gtid_executed, '\n', ''), CONCAT(@@server_uuid, '[^,]*')), ''))), ''), '\n', ''), v_forced);
    COMMIT;
  END IF;
  REPLACE INTO hipaakit.settled VALUES ('{{.App}}', hipaakit.started());
  CALL hipaakit.set_lock({{.User}}, FALSE);
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
  SELECT gtid FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number;
END
//
-- Opens this server again in an epoch that is its own already.
DROP PROCEDURE IF EXISTS hipaakit.unfence_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.unfence_{{.App}}(p_number BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('{{.App}}')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF IFNULL(GET_LOCK(hipaakit.latch('{{.App}}'), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'hipaakit: somebody else is at it';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number AND server = @@server_id)
      OR EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}' AND number > p_number) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'hipaakit: overtaken by another epoch';
  END IF;
  REPLACE INTO hipaakit.settled VALUES ('{{.App}}', hipaakit.started());
  CALL hipaakit.set_lock({{.User}}, FALSE);
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
END
//
-- Goes on applying where the gate stopped it, now that this server knows the epoch; or
-- where somebody was killed who had it stopped.
DROP PROCEDURE IF EXISTS hipaakit.resume_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.resume_{{.App}}()
SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF EXISTS (SELECT 1 FROM hipaakit.paused) THEN
    IF IFNULL(GET_LOCK(hipaakit.latch(''), 2), 0) = 0 THEN
      SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'hipaakit: the filter is being changed';
    END IF;
    CALL hipaakit.refilter();
    DO RELEASE_LOCK(hipaakit.latch(''));
  END IF;
  START REPLICA SQL_THREAD FOR CHANNEL '';
END
//
-- Ends a call that its web node has given up. The account that made it may not: in a
-- procedure, a thread goes by the definer's name.
DROP PROCEDURE IF EXISTS hipaakit.abandon_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.abandon_{{.App}}(p_id BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  IF EXISTS (SELECT 1 FROM performance_schema.processlist WHERE ID = p_id AND CAST(USER AS BINARY) = CAST({{.MonitorUser}} AS BINARY)) THEN
    CALL hipaakit.evict_one(p_id);
  END IF;
END
//
-- Takes over the application's schemas from the other server again, if the epoch is still
-- p_number: a later one's quarantine holds off another tail.
DROP PROCEDURE IF EXISTS hipaakit.lift_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.lift_{{.App}}(p_number BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK(hipaakit.latch('{{.App}}')); RESIGNAL; END;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  IF IFNULL(GET_LOCK(hipaakit.latch('{{.App}}'), 2), 0) = 0 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'hipaakit: somebody else is at it';
  END IF;
  IF EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}' AND number > p_number) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'hipaakit: overtaken by another epoch';
  END IF;
  IF EXISTS (SELECT 1 FROM hipaakit.taint WHERE app = '{{.App}}') THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30004, MESSAGE_TEXT = 'hipaakit: tainted';
  END IF;
  CALL hipaakit.set_quarantine('{{.App}}', FALSE);
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
END
//
-- For the administrator alone, once the schemas here equal those of the other server at the
-- position p_copy. Here, all of that has to be passed over and nothing that came later: it
-- would be missing for good. It is no remedy for a server that lacks writes of its own: MySQL gives their numbers again, and
-- the other one takes what comes under them for what it has.
DROP PROCEDURE IF EXISTS hipaakit.repaired_{{.App}}
//
CREATE DEFINER=hipaakit@localhost PROCEDURE hipaakit.repaired_{{.App}}(p_copy TEXT)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_here TEXT DEFAULT REPLACE(@@GLOBAL.gtid_executed, '\n', '');
  DECLARE v_own TEXT DEFAULT IFNULL(REGEXP_SUBSTR(v_here, CONCAT(@@server_uuid, '[^,]*')), '');
  IF NOT IFNULL(GTID_SUBSET(GTID_SUBTRACT(v_here, v_own), p_copy) AND GTID_SUBSET(GTID_SUBTRACT(p_copy, v_own), v_here), FALSE) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30006, MESSAGE_TEXT = 'hipaakit: this server does not stand where the copy was made: stop applying, copy, START REPLICA UNTIL its position';
  END IF;
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  START TRANSACTION; -- cut short, either both are true or none is
  DELETE FROM hipaakit.taint WHERE app = '{{.App}}';
  UPDATE hipaakit.quarantine SET lifting = TRUE WHERE app = '{{.App}}';
  COMMIT;
  CALL hipaakit.set_quarantine('{{.App}}', FALSE);
  SET SESSION sql_log_bin = 1;
END
//
{{range .Callable}}GRANT EXECUTE ON PROCEDURE hipaakit.{{.}}_{{$.App}} TO {{$.Monitor}}
//
{{end -}}
GRANT REPLICATION CLIENT ON *.* TO {{.Monitor}}
//
CALL hipaakit.refilter()
//
-- No script opens a server: a later epoch may be in use on the other one. The web nodes
-- open the writer, once they have read both. Run again, it leaves a writer open, and locks
-- hosts of the account that are new where the others are locked, and all of a server that
-- was started without boot.
SET @hipaakit_asleep = NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '{{.App}}' AND start = hipaakit.started())
//
SET @hipaakit_locked = EXISTS (SELECT 1 FROM mysql.user WHERE User = {{.User}} AND account_locked = 'Y')
//
CALL hipaakit.set_lock({{.User}}, IF(@hipaakit_first OR @hipaakit_asleep OR @hipaakit_locked, TRUE, NULL))
//
REPLACE INTO hipaakit.settled VALUES ('', hipaakit.started()), ('{{.App}}', hipaakit.started())
