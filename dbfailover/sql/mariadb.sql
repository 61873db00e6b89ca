-- What the web nodes of {{.App}} need on each of the two servers. Run it on both,
-- as an administrator, twice if need be: it keeps what is there. Nothing of it is
-- replicated, because accounts and epochs belong to one server each.
--
-- Before it, with passwords of their own, on both servers:
--   CREATE USER {{.User}}@... REQUIRE SSL;  GRANT ... ON {{.SchemaList}} TO it
--   CREATE USER {{.Monitor}} REQUIRE SSL
-- After it, in the configuration of both servers:
--   skip-slave-start
--   init-file=/etc/mysql/hipaakit.sql    -- two lines, see InitFile
-- Procedures keep the mode that they are made in: whatever the server's is (backslashes
-- that do not escape, quotes that name columns), it must not change what they do.
SET SESSION autocommit=1, SESSION tx_read_only=0, SESSION sql_safe_updates=0, SESSION sql_log_bin=0,
  SESSION sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
//
CREATE DATABASE IF NOT EXISTS hipaakit CHARACTER SET utf8mb4
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
-- Applying was stopped by refilter and has to go on, whatever becomes of who stopped it: STOP
-- SLAVE waits for the statement that is being applied, and its caller may be killed meanwhile.
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
-- Whose rights the procedures have. Nobody can log in with it.
CREATE USER IF NOT EXISTS hipaakit@localhost ACCOUNT LOCK
//
ALTER USER hipaakit@localhost ACCOUNT LOCK
//
-- READ_ONLY ADMIN: a server may be read-only when it boots, and has to lock accounts.
GRANT CREATE USER, PROCESS, CONNECTION ADMIN, READ_ONLY ADMIN, BINLOG ADMIN, BINLOG MONITOR,
  REPLICATION SLAVE ADMIN, SLAVE MONITOR ON *.* TO hipaakit@localhost
//
GRANT SELECT ON mysql.* TO hipaakit@localhost
//
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, TRIGGER ON hipaakit.* TO hipaakit@localhost
//
CREATE OR REPLACE DEFINER=hipaakit@localhost FUNCTION hipaakit.latch(p_app VARCHAR(32)) RETURNS CHAR(40)
READS SQL DATA SQL SECURITY DEFINER
RETURN (SELECT latch FROM hipaakit.app WHERE name = p_app)
//
-- When the server was started, in seconds since 1970: the same whatever became of its clock
-- since then, because Uptime is counted with that, too.
CREATE OR REPLACE DEFINER=hipaakit@localhost FUNCTION hipaakit.started() RETURNS BIGINT
READS SQL DATA SQL SECURITY DEFINER
RETURN UNIX_TIMESTAMP() - (SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME')
//
CREATE OR REPLACE DEFINER=hipaakit@localhost TRIGGER hipaakit.gate_insert BEFORE INSERT ON hipaakit.gate FOR EACH ROW
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
-- Internal, as are all procedures without GRANT below. Every session begins with what is set
-- for the whole server: with autocommit=0 a check would read one snapshot for ever, and
-- nothing of what follows could be done; nor under the others. READ COMMITTED, which many
-- set, lets nobody log a statement.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.own_settings()
SQL SECURITY DEFINER
SET SESSION autocommit = 1, SESSION tx_read_only = FALSE, SESSION tx_isolation = 'REPEATABLE-READ',
  SESSION completion_type = 0, SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1
//
-- A host that is locked is left alone: a backup's lock would hold up the fence of a server
-- that is out of use.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.set_lock(p_user VARCHAR(80), p_lock BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  FOR a IN (SELECT Host FROM mysql.global_priv WHERE User = p_user
      AND NOT (p_lock AND IFNULL(JSON_VALUE(Priv, '$.account_locked'), 0))) DO
    EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(p_user), '@', QUOTE(a.Host),
      IF(p_lock, ' ACCOUNT LOCK', ' ACCOUNT UNLOCK'));
  END FOR;
END
//
-- Whether accounts can be changed now, by a change that changes nothing. A backup's lock
-- (FLUSH TABLES WITH READ LOCK) holds that up for as long as the backup takes, or until whoever
-- waits is killed; who finds that out after the epoch's row has left the application without
-- a server.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.changeable()
SQL SECURITY DEFINER
ALTER USER hipaakit@localhost ACCOUNT LOCK
//
-- Kills until nobody is left for two looks in a row, for half a second at most, because the
-- other web nodes wait meanwhile, and call again: a login that was let in just before the
-- lock shows up under its name a moment later. The list of processes compares names without
-- case; accounts do not.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.evict(p_user VARCHAR(80), OUT p_left INT)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_quiet INT DEFAULT 0;
  DECLARE v_end DOUBLE DEFAULT UNIX_TIMESTAMP(SYSDATE(3)) + 0.5;
  REPEAT
    FOR t IN (SELECT ID FROM information_schema.PROCESSLIST WHERE USER = p_user COLLATE utf8mb4_bin) DO
      BEGIN
        DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- it ended by itself
        KILL HARD CONNECTION t.ID;
      END;
    END FOR;
    DO SLEEP(0.002);
    SELECT COUNT(*) INTO p_left FROM information_schema.PROCESSLIST WHERE USER = p_user COLLATE utf8mb4_bin;
    SET v_quiet = IF(p_left = 0, v_quiet + 1, 0);
  UNTIL v_quiet = 2 OR UNIX_TIMESTAMP(SYSDATE(3)) > v_end END REPEAT;
END
//
-- Makes the replication filters say what the table quarantine says, and leaves what others
-- have set alone. Two filters, because CREATE PROCEDURE changes no table: it is passed over
-- by its default schema. Only the applying thread pauses, for milliseconds, and only if it
-- was running: receiving goes on. @hipaakit_stood is where the server stood in that pause.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.refilter()
SQL SECURITY DEFINER
BEGIN
  DECLARE v_tables, v_next_tables, v_schemas, v_next_schemas TEXT;
  DECLARE v_running INT;
  SET v_tables = @@GLOBAL.replicate_wild_ignore_table, v_next_tables = CONCAT(',', v_tables, ',');
  SET v_schemas = @@GLOBAL.replicate_ignore_db, v_next_schemas = CONCAT(',', v_schemas, ',');
  SET @hipaakit_stood = @@GLOBAL.gtid_current_pos;
  FOR o IN (SELECT pattern, schema_name FROM hipaakit.owned UNION SELECT pattern, schema_name FROM hipaakit.ignored) DO
    SET v_next_tables = REPLACE(v_next_tables, CONCAT(',', o.pattern, ','), ',');
    SET v_next_schemas = REPLACE(v_next_schemas, CONCAT(',', o.schema_name, ','), ',');
  END FOR;
  FOR o IN (SELECT pattern, schema_name FROM hipaakit.owned JOIN hipaakit.quarantine USING (app) WHERE NOT lifting) DO
    SET v_next_tables = CONCAT(v_next_tables, o.pattern, ',');
    SET v_next_schemas = CONCAT(v_next_schemas, o.schema_name, ',');
  END FOR;
  SET v_next_tables = TRIM(BOTH ',' FROM v_next_tables), v_next_schemas = TRIM(BOTH ',' FROM v_next_schemas);
  DELETE FROM hipaakit.ignored;
  INSERT IGNORE INTO hipaakit.ignored SELECT pattern, schema_name FROM hipaakit.owned JOIN hipaakit.quarantine USING (app) WHERE NOT lifting;
  IF v_next_tables <> v_tables OR v_next_schemas <> v_schemas OR EXISTS (SELECT 1 FROM hipaakit.paused) THEN
    SELECT COUNT(*) INTO v_running FROM information_schema.PROCESSLIST WHERE COMMAND = 'Slave_SQL';
    IF v_running > 0 THEN
      INSERT IGNORE INTO hipaakit.paused VALUES ('');
      STOP SLAVE SQL_THREAD;
    END IF;
    SET @hipaakit_stood = @@GLOBAL.gtid_current_pos;
    SET GLOBAL replicate_wild_ignore_table = v_next_tables, GLOBAL replicate_ignore_db = v_next_schemas;
    IF EXISTS (SELECT 1 FROM hipaakit.paused) THEN START SLAVE SQL_THREAD; END IF;
    DELETE FROM hipaakit.paused;
  END IF;
END
//
-- Two applications may change the filter at once: one at a time.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.set_quarantine(p_app VARCHAR(32), p_on BOOLEAN)
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
    INSERT INTO hipaakit.quarantine (app, since) VALUES (p_app, @@GLOBAL.gtid_current_pos) ON DUPLICATE KEY UPDATE lifting = FALSE;
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
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.settle_in()
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
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.boot()
SQL SECURITY DEFINER
BEGIN
  CALL hipaakit.own_settings();
  SET SESSION sql_log_bin = 0;
  FOR a IN (SELECT user FROM hipaakit.app WHERE name <> '') DO
    CALL hipaakit.set_lock(a.user, TRUE);
  END FOR;
  REPLACE INTO hipaakit.settled SELECT name, hipaakit.started() FROM hipaakit.app;
  CALL hipaakit.settle_in();
  DELETE FROM hipaakit.paused;
  CALL hipaakit.refilter();
END
//
INSERT INTO hipaakit.app (name, user) VALUES ('{{.App}}', {{.User}}) ON DUPLICATE KEY UPDATE user = VALUES(user)
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
  SELECT '{{.App}}', 1, {{.PrimaryID}}, '' FROM DUAL
  WHERE NOT EXISTS (SELECT 1 FROM hipaakit.epoch WHERE app = '{{.App}}')
//
-- What one check reads.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.look_{{.App}}(p_node VARCHAR(64))
SQL SECURITY DEFINER
BEGIN
CALL hipaakit.own_settings();
SELECT @@GLOBAL.read_only, @@server_id, @@GLOBAL.gtid_current_pos,
  IFNULL(e.number, 0), IFNULL(e.server, 0), IFNULL(e.gtid, ''),
  NOT EXISTS (SELECT 1 FROM mysql.global_priv WHERE User = {{.User}}
    AND NOT IFNULL(JSON_VALUE(Priv, '$.account_locked'), 0))
  OR NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '{{.App}}' AND start = hipaakit.started()),
  IFNULL((SELECT tail FROM hipaakit.taint WHERE app = '{{.App}}'), ''),
  EXISTS (SELECT 1 FROM hipaakit.quarantine WHERE app = '{{.App}}'),
  (SELECT IFNULL(SUM(beat), 0) FROM hipaakit.canary WHERE app = '{{.App}}' AND server <> @@server_id AND node <> p_node),
  (SELECT COUNT(*) FROM hipaakit.epoch o JOIN (SELECT app, MAX(number) AS number FROM hipaakit.epoch GROUP BY app) top
    USING (app, number) WHERE o.app <> '{{.App}}' AND o.server = @@server_id),
  @@GLOBAL.rpl_semi_sync_master_wait_point = 'AFTER_SYNC' AND EXISTS (SELECT 1 FROM information_schema.GLOBAL_STATUS
    WHERE VARIABLE_NAME = 'RPL_SEMI_SYNC_MASTER_STATUS' AND VARIABLE_VALUE = 'ON'),
  IFNULL((SELECT number FROM hipaakit.judged WHERE app = '{{.App}}'), 0), @@GLOBAL.gtid_binlog_pos,
  IFNULL(e.forced, FALSE),
  (SELECT IFNULL(MAX(beat), 0) FROM hipaakit.canary WHERE app = '{{.App}}' AND server <> @@server_id AND node = p_node),
  '', IF(EXISTS (SELECT 1 FROM hipaakit.paused) AND IS_FREE_LOCK(hipaakit.latch('')), 'hipaakit: paused', '')
FROM (SELECT 1) one LEFT JOIN
  (SELECT number, server, gtid, forced FROM hipaakit.epoch WHERE app = '{{.App}}' ORDER BY number DESC LIMIT 1) e ON TRUE;
END
//
-- Where this server stands; in quarantine, where it stood when that began: what it has
-- passed over since, @@gtid_current_pos counts as its own.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.position_{{.App}}()
SQL SECURITY DEFINER
BEGIN
  CALL hipaakit.own_settings();
  SELECT IFNULL((SELECT since FROM hipaakit.quarantine WHERE app = '{{.App}}'), @@GLOBAL.gtid_current_pos);
END
//
-- A write like the application's, through to the disk. A statement in the binary log,
-- not a row: a row that the other server lacks would stop its replication.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.canary_{{.App}}(p_node VARCHAR(64), p_beat BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_me INT UNSIGNED DEFAULT @@server_id;
  CALL hipaakit.own_settings();
  SET SESSION binlog_format = STATEMENT;
  REPLACE INTO hipaakit.canary VALUES ('{{.App}}', v_me, p_node, p_beat);
END
//
-- To see the application's triggers takes this right.
{{range .Wild}}GRANT TRIGGER ON `{{.}}`.* TO hipaakit@localhost
//
{{end -}}
-- What a web node refuses to work with, one row each. Rights count through roles as well.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.check_{{.App}}()
SQL SECURITY DEFINER
WITH RECURSIVE who (name) AS (
  SELECT CAST({{.User}} AS CHAR(128) CHARACTER SET utf8mb4) COLLATE utf8mb4_bin UNION
  SELECT CAST('PUBLIC' AS CHAR(128) CHARACTER SET utf8mb4) COLLATE utf8mb4_bin UNION
  SELECT CAST(m.Role AS CHAR(128) CHARACTER SET utf8mb4) COLLATE utf8mb4_bin FROM mysql.roles_mapping m JOIN who ON m.User = who.name),
foreign_schema (name) AS (
  SELECT schema_name COLLATE utf8mb4_bin FROM hipaakit.owned WHERE app <> '{{.App}}' UNION
  SELECT CONVERT('hipaakit' USING utf8mb4) COLLATE utf8mb4_bin),
own_schema (name) AS (SELECT schema_name COLLATE utf8mb4_bin FROM hipaakit.owned WHERE app = '{{.App}}'),
-- The bits of mysql.global_priv: information_schema shows no rights of roles.
named (bit, privilege) AS (VALUES (1, 'INSERT'), (2, 'UPDATE'), (3, 'DELETE'), (4, 'CREATE'), (5, 'DROP'), (11, 'REFERENCES'),
  (12, 'INDEX'), (13, 'ALTER'), (17, 'LOCK TABLES'), (18, 'EXECUTE'), (21, 'CREATE VIEW'), (23, 'CREATE ROUTINE'),
  (24, 'ALTER ROUTINE'), (26, 'EVENT'), (27, 'TRIGGER'), (29, 'DELETE HISTORY')),
-- Who has these cannot be locked out or killed, writes past read_only and the binary log,
-- or in somebody else's name, keeps a fence waiting for a lock, or stops the server.
above (bit, privilege) AS (VALUES (6, 'RELOAD'), (7, 'SHUTDOWN'), (15, 'SUPER'), (25, 'CREATE USER'), (30, 'SET USER'),
  (32, 'CONNECTION ADMIN'), (33, 'READ_ONLY ADMIN'), (34, 'REPLICATION SLAVE ADMIN'), (36, 'BINLOG ADMIN'), (37, 'BINLOG REPLAY')),
held (access) AS (
  SELECT CAST(IFNULL(JSON_VALUE(Priv, '$.access'), 0) AS UNSIGNED) FROM mysql.global_priv JOIN who ON User = who.name),
-- Patterns of schemas in which the account does more than read. What is granted there to the
-- account without a name, every account has.
reach (pattern, whose) AS (
  SELECT CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin, IF(User = '', ', as every account may', '') FROM mysql.db
    JOIN who ON User IN (who.name, '')
    WHERE 'Y' IN (Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Alter_priv, Trigger_priv, Event_priv, Execute_priv,
      Index_priv, References_priv, Create_view_priv, Create_routine_priv, Alter_routine_priv, Lock_tables_priv, Delete_history_priv))
SELECT CONCAT('the account has the right ', privilege) FROM held JOIN above ON (access >> bit) & 1 = 1
UNION SELECT CONCAT('the account has the right ', privilege, ' on every schema, another application''s too')
  FROM held JOIN named ON (access >> bit) & 1 = 1
UNION SELECT 'the account owns events' FROM mysql.event WHERE SUBSTRING_INDEX(definer, '@', 1) = {{.User}}
UNION SELECT CONCAT('the event ', db, '.', name, ' is enabled: a fence does not end it') FROM mysql.event
  WHERE status = 'ENABLED' AND CONVERT(db USING utf8mb4) COLLATE utf8mb4_bin IN (SELECT name FROM own_schema)
-- Who calls it goes by the other name in the list of processes meanwhile, where a fence
-- looks for threads to kill.
UNION SELECT CONCAT('the routine ', db, '.', name, ' runs in the name of another account: a fence does not see who calls it')
  FROM mysql.proc JOIN hipaakit.owned ON schema_name = CONVERT(db USING utf8mb4) COLLATE utf8mb4_general_ci
  WHERE app = '{{.App}}' AND security_type = 'DEFINER' AND SUBSTRING_INDEX(definer, '@', 1) <> {{.User}}
UNION SELECT CONCAT('the trigger ', TRIGGER_SCHEMA, '.', TRIGGER_NAME, ' runs in the name of another account: a fence does not see who fires it')
  FROM information_schema.TRIGGERS JOIN hipaakit.owned ON schema_name = CONVERT(TRIGGER_SCHEMA USING utf8mb4) COLLATE utf8mb4_general_ci
  WHERE app = '{{.App}}' AND SUBSTRING_INDEX(DEFINER, '@', 1) <> {{.User}}
UNION SELECT CONCAT('its schemas also belong to the application ', o.app) FROM hipaakit.owned o
  JOIN hipaakit.owned mine USING (schema_name) WHERE mine.app = '{{.App}}' AND o.app <> '{{.App}}'
UNION SELECT CONCAT('its account also belongs to the application ', name) FROM hipaakit.app
  WHERE user = {{.User}} AND name <> '{{.App}}'
UNION SELECT 'the account has rights on another application''s schemas' FROM reach JOIN foreign_schema f ON f.name LIKE pattern
UNION SELECT CONCAT('the account may write to a schema that is not among the application''s: ', pattern, whose) FROM reach
  WHERE REPLACE(pattern, '\\_', '_') NOT IN (SELECT name FROM own_schema)
UNION SELECT CONCAT('the account may write to a table that is not the application''s: ', Db, '.', Table_name) FROM mysql.tables_priv
  JOIN who ON User = who.name
  WHERE CONCAT(Table_priv, ',', Column_priv) RLIKE 'Insert|Update|Delete|Create|Drop|Alter|Trigger|Index|References'
  AND CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin NOT IN (SELECT name FROM own_schema)
UNION SELECT CONCAT('the account has rights on a procedure that is not the application''s: ', Db, '.', Routine_name) FROM mysql.procs_priv
  JOIN who ON User = who.name
  WHERE CONVERT(Db USING utf8mb4) COLLATE utf8mb4_bin NOT IN (SELECT name FROM own_schema)
UNION SELECT 'the account does not exist' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM mysql.global_priv WHERE User = {{.User}})
UNION SELECT 'the server was started without hipaakit.boot in its init-file: accounts and filters are as somebody left them' FROM DUAL
  WHERE NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '' AND start = hipaakit.started())
UNION SELECT 'the server has no init-file, which has to call hipaakit.boot' FROM DUAL WHERE IFNULL(@@GLOBAL.init_file, '') = ''
//
-- Locks the application out, if no epoch after p_number has begun here: a node that was
-- slow would otherwise lock the writer of a later one. Answers how many threads are left,
-- and the position.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.lock_{{.App}}(p_number BIGINT UNSIGNED)
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
  SELECT v_left, @@GLOBAL.gtid_current_pos;
END
//
-- Locks the application out for good: epoch p_number is p_server's. Only once nobody
-- is left is the position read (p_gtid NULL: where this server stands) and the row
-- written; with p_left also if killed threads do not end, so p_gtid is '' then. p_tail, if
-- any, is what this server has and the other never got; NULL says that nobody has looked.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.fence_{{.App}}(
  p_number BIGINT UNSIGNED, p_server INT UNSIGNED, p_gtid TEXT, p_tail TEXT, p_left BOOLEAN)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_left INT DEFAULT 1;
  DECLARE v_gtid TEXT DEFAULT '';
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
      VALUES ('{{.App}}', p_number, p_server, IF(v_wrote AND p_tail IS NULL AND p_gtid IS NOT NULL, '', IFNULL(p_gtid, @@GLOBAL.gtid_current_pos)));
    SELECT gtid INTO v_gtid FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number;
  END IF;
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
  SELECT v_left, v_gtid;
END
//
-- What a move asks the server that is to be opened, before anybody is locked out.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.ready_{{.App}}()
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
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.promote_{{.App}}(
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
    SET @hipaakit_stood = @@GLOBAL.gtid_current_pos;
    IF p_quarantine THEN CALL hipaakit.set_quarantine('{{.App}}', TRUE); END IF;
    -- What a server in quarantine has passed over, it does not have, although its
    -- position says so: the other one's tail begins there.
    SELECT IFNULL(MAX(since), @hipaakit_stood) INTO @hipaakit_stood FROM hipaakit.quarantine WHERE app = '{{.App}}';
    -- The gate first: whoever lacks the row's position was not there in this epoch.
    SET SESSION binlog_format = STATEMENT, sql_log_bin = 1;
    REPLACE INTO hipaakit.gate VALUES ('{{.App}}', p_number);
    SET SESSION sql_log_bin = 0;
    START TRANSACTION; -- or the tail would be forgotten, and not that it was there
    DELETE FROM hipaakit.taint WHERE app = '{{.App}}';
    INSERT INTO hipaakit.epoch (app, number, server, gtid, forced)
      VALUES ('{{.App}}', p_number, @@server_id, TRIM(LEADING ',' FROM CONCAT(@hipaakit_stood, ',', @@last_gtid)), v_forced);
    COMMIT;
  END IF;
  REPLACE INTO hipaakit.settled VALUES ('{{.App}}', hipaakit.started());
  CALL hipaakit.set_lock({{.User}}, FALSE);
  DO RELEASE_LOCK(hipaakit.latch('{{.App}}'));
  SELECT gtid FROM hipaakit.epoch WHERE app = '{{.App}}' AND number = p_number;
END
//
-- Opens this server again in an epoch that is its own already.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.unfence_{{.App}}(p_number BIGINT UNSIGNED)
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
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.resume_{{.App}}()
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
  START SLAVE SQL_THREAD;
END
//
-- Ends a call that its web node has given up. The account that made it may not: in a
-- procedure, a thread goes by the definer's name.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.abandon_{{.App}}(p_id BIGINT UNSIGNED)
SQL SECURITY DEFINER
BEGIN
  DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- it ended by itself
  IF EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = p_id AND USER IN ('hipaakit', {{.MonitorUser}})) THEN
    KILL HARD CONNECTION p_id;
  END IF;
END
//
-- Takes over the application's schemas from the other server again, if the epoch is still
-- p_number: a later one's quarantine holds off another tail.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.lift_{{.App}}(p_number BIGINT UNSIGNED)
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
-- would be missing for good.
CREATE OR REPLACE DEFINER=hipaakit@localhost PROCEDURE hipaakit.repaired_{{.App}}(p_copy TEXT)
SQL SECURITY DEFINER
BEGIN
  DECLARE v_me INT UNSIGNED DEFAULT @@server_id;
  DECLARE v_item TEXT;
  DECLARE v_rest TEXT DEFAULT @@GLOBAL.gtid_slave_pos;
  WHILE v_rest <> '' DO
    SET v_item = SUBSTRING_INDEX(v_rest, ',', 1);
    SET v_rest = SUBSTRING(v_rest, CHAR_LENGTH(v_item) + 2);
    IF SUBSTRING_INDEX(v_item, '-', 1) <> @@GLOBAL.gtid_domain_id AND NOT IFNULL(FIND_IN_SET(v_item, REPLACE(p_copy, ' ', '')), FALSE) THEN
      SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30006, MESSAGE_TEXT = 'hipaakit: this server does not stand where the copy was made: stop applying, copy, START SLAVE UNTIL its position';
    END IF;
  END WHILE;
  CALL hipaakit.own_settings();
  -- Its next write has a number beyond all that it lost, which ends that matter too: first,
  -- or a web node that looks in between taints it again.
  SET SESSION binlog_format = STATEMENT, sql_log_bin = 1;
  REPLACE INTO hipaakit.canary VALUES ('{{.App}}', v_me, 'repaired', UNIX_TIMESTAMP());
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
GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO {{.Monitor}}
//
CALL hipaakit.refilter()
//
-- No script opens a server: a later epoch may be in use on the other one. The web nodes
-- open the writer, once they have read both. Run again, it leaves a writer open, and locks
-- hosts of the account that are new where the others are locked, and all of a server that
-- was started without boot.
SET @hipaakit_asleep = NOT EXISTS (SELECT 1 FROM hipaakit.settled WHERE app = '{{.App}}' AND start = hipaakit.started())
//
SET @hipaakit_locked = EXISTS (SELECT 1 FROM mysql.global_priv WHERE User = {{.User}}
  AND JSON_VALUE(Priv, '$.account_locked'))
//
EXECUTE IMMEDIATE IF(@hipaakit_first OR @hipaakit_asleep OR @hipaakit_locked, CONCAT('CALL hipaakit.set_lock(', QUOTE({{.User}}), ', TRUE)'), 'DO 0')
//
REPLACE INTO hipaakit.settled VALUES ('', hipaakit.started()), ('{{.App}}', hipaakit.started())
