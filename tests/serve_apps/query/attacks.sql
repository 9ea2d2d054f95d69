-- a name holds other signs
SELECT * FROM '/etc/passwd'

-- a name holds other signs
SELECT * FROM "/etc/passwd.csv"

-- a name holds other signs
SELECT * FROM "WAREHOUSE/structured/events/data/part.parquet"

-- what=readparquet
SELECT * FROM read_parquet('WAREHOUSE/**/*.parquet')

-- what=read_text
SELECT * FROM read_text('/etc/passwd')

-- cannot be read
SELECT * FROM glob('/etc/*')

-- what=table
SELECT * FROM TABLE(read_csv('/etc/passwd'))

-- what=read_text
SELECT read_text('/etc/passwd')

-- what=getenv
SELECT getenv('HOME')

-- what=current_setting
SELECT current_setting('allowed_directories')

-- what=duckdb_settings
SELECT * FROM duckdb_settings()

-- what=pragma_table_info
SELECT * FROM pragma_table_info('events')

-- what=query_table
SELECT * FROM query_table('structured.events')

-- what=query
SELECT * FROM query('SELECT * FROM structured.events')

-- what=getvariable
SELECT getvariable('x')

-- no such view
SELECT * FROM structured.events

-- no such view
SELECT * FROM compliance.complaints

-- no such view
SELECT * FROM curated.complaints

-- no such view
SELECT * FROM curated.kpi_daily

-- no such view
SELECT * FROM information_schema.tables

-- no such view
SELECT * FROM duckdb_tables

-- no such view
SELECT * FROM sqlite_master

-- no such view
SELECT * FROM pg_catalog.pg_class

-- what=table catalog
SELECT * FROM memory.compliance.events

-- what=table catalog
SELECT * FROM memory.served.events

-- a WITH name is the name of a view
WITH complaints AS (SELECT 1 AS x) SELECT * FROM complaints

-- does not fit the views
SELECT * FROM (WITH sqlite_master AS (SELECT 1 AS x) SELECT x FROM sqlite_master) AS a, sqlite_master AS b

-- does not fit the views
SELECT (WITH duckdb_settings AS (SELECT 1 AS x) SELECT max(x) FROM duckdb_settings), (SELECT max(name) FROM duckdb_settings)

-- a name holds other signs
SELECT * FROM (WITH "/etc/passwd" AS (SELECT 1 AS x) SELECT x FROM "/etc/passwd") AS a, "/etc/passwd" AS b

-- what=with recursive
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t

-- harmless
SELECT customer_key, account_key FROM complaints

-- harmless
SELECT * FROM complaints

-- harmless
SELECT c.* FROM served.complaints AS c

-- harmless
WITH x AS (SELECT customer_key AS k FROM complaints) SELECT upper(k) || 'x', length(k), coalesce(k, 'none') FROM x

-- harmless
SELECT max(customer_key), min(account_key), array_agg(customer_key), listagg(account_key, ',') FROM events

-- harmless
SELECT a.customer_key FROM complaints AS a JOIN events AS b ON a.customer_key = b.customer_key

-- harmless
SELECT event_id FROM complaints WHERE customer_key LIKE 'customer-%'

-- harmless
SELECT event_id FROM complaints ORDER BY customer_key DESC

-- harmless
SELECT TRY_CAST(customer_key AS bigint) FROM complaints

-- harmless
SELECT count(DISTINCT customer_key) FROM complaints GROUP BY customer_key HAVING customer_key IS NOT NULL

-- harmless
SELECT complaints FROM complaints

-- harmless
SELECT customer_key FROM complaints UNION ALL SELECT account_key FROM events

-- does not fit the views
SELECT payload_digest FROM events

-- does not fit the views
SELECT signature, band_hashes FROM events

-- does not fit the views
SELECT filename, file_row_number FROM events

-- what=struct
SELECT CAST(ROW(customer_key) AS ROW(k varchar)) FROM complaints

-- what=columns
SELECT COLUMNS('.*key') FROM complaints

-- what=dot
SELECT (complaints).customer_key.x FROM complaints

-- what=column db
SELECT compliance.complaints.customer_key FROM complaints

-- what=column db
SELECT compliance.complaints.customer_key.x FROM complaints

-- only one SELECT
SELECT 1; SELECT 2

-- only one SELECT
SELECT 1; DROP VIEW analyst.complaints

-- only one SELECT
COPY complaints TO '/tmp/x'

-- only one SELECT
COPY (SELECT 1) TO '/tmp/x.csv'

-- only one SELECT
SET enable_external_access = true

-- only one SELECT
RESET ALL

-- only one SELECT
PRAGMA database_list

-- cannot be read
ATTACH '/tmp/x.db'

-- only one SELECT
CALL duckdb_settings()

-- only one SELECT
DESCRIBE complaints

-- only one SELECT
SHOW TABLES

-- only one SELECT
EXPLAIN SELECT 1

-- only one SELECT
EXPLAIN ANALYZE SELECT * FROM complaints

-- only one SELECT
CREATE TABLE x AS SELECT * FROM complaints

-- only one SELECT
INSERT INTO complaints SELECT * FROM complaints

-- only one SELECT
DELETE FROM complaints

-- only one SELECT
INSTALL httpfs

-- only one SELECT
LOAD '/tmp/x.duckdb_extension'

-- cannot be read
EXPORT DATABASE '/tmp/x'

-- only one SELECT
PREPARE p AS SELECT 1

-- only one SELECT
EXECUTE p

-- only one SELECT
EXECUTE IMMEDIATE 'SELECT 1'

-- only one SELECT
VALUES (1)

-- harmless
FROM complaints

-- only one SELECT
BEGIN

-- parameters and question marks differ
SELECT ?

-- a name holds other signs
SELECT $1

-- what=placeholder
SELECT :name

-- what=parameter
SELECT @x

-- what=select into
SELECT * INTO x FROM complaints

-- what=select locks
SELECT * FROM complaints FOR UPDATE

-- what=lateral
SELECT * FROM complaints, LATERAL (SELECT 1) AS t

-- harmless
SELECT t.x FROM complaints CROSS JOIN UNNEST(secondary_l2) AS t(x)

-- harmless
SELECT t.x FROM complaints CROSS JOIN UNNEST(split(customer_key, '-')) AS t(x)

-- harmless
SELECT * FROM complaints LEFT JOIN UNNEST(split(lower(account_key), '-')) AS t(x) ON true

-- harmless
SELECT customer_key FROM (VALUES (1)) AS t(x) CROSS JOIN complaints

-- only a column's own elements
SELECT unnest(secondary_l2) FROM complaints

-- only a column's own elements
SELECT * FROM complaints WHERE l1 IN (SELECT unnest(secondary_l2))

-- only a column's own elements
SELECT * FROM UNNEST(ARRAY[1, 2]) AS t(x)

-- only a column's own elements
SELECT * FROM UNNEST(split('a,b', ',')) AS t(x)

-- only a column's own elements
SELECT * FROM complaints CROSS JOIN UNNEST(secondary_l2, secondary_l2) AS t(x, y)

-- only a column's own elements
SELECT * FROM complaints CROSS JOIN UNNEST(ARRAY[event_id, l1]) AS t(x)

-- only a column's own elements
SELECT * FROM complaints CROSS JOIN UNNEST(split(replace(redacted_text, 'e', redacted_text), ' ')) AS t(x)

-- only a column's own elements
SELECT * FROM UNNEST((SELECT array_agg(event_id) FROM events)) AS t(x)

-- only a column's own elements
SELECT * FROM complaints CROSS JOIN UNNEST(read_text('/etc/passwd')) AS t(x)

-- what=unnest offset
SELECT * FROM complaints CROSS JOIN UNNEST(secondary_l2) WITH ORDINALITY AS t(x, n)

-- what=table pivots
SELECT * FROM complaints PIVOT (count(*) FOR l1 IN ('network', 'billing'))

-- what=table sample
SELECT * FROM complaints TABLESAMPLE BERNOULLI (10)

-- what=table version
SELECT * FROM complaints FOR VERSION AS OF 1

-- what=read_text
SELECT * FROM (VALUES (read_text('/etc/passwd'))) AS t(x)

-- only one SELECT
VALUES (1), (2)

-- no such view
SELECT * FROM (VALUES (1)) AS "structured.events"(x), structured.events

-- what=select match
SELECT * FROM complaints MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS true)

-- what=transform
SELECT transform(secondary_l2, x -> x) FROM complaints

-- what=repeat
SELECT repeat('x', 1000000000)

-- what=pad
SELECT lpad('x', 1000000000, 'y')

-- what=generateseries
SELECT sequence(1, 1000000000)

-- only a column's own elements
SELECT * FROM UNNEST(sequence(1, 1000000000)) AS t(x)

-- what=generateseries
SELECT * FROM generate_series(1, 1000000000)

-- what=range
SELECT * FROM range(1000000000)

-- what=rand
SELECT random()

-- what=sleep
SELECT sleep(100)

-- what=currentuser
SELECT current_user

-- what=currentversion
SELECT version()

-- not a type
SELECT CAST(event_id AS blob) FROM events

-- not a type
SELECT CAST(evidence AS json) FROM events

-- what=hexstring
SELECT X'00ff'

-- what=unicodestring
SELECT U&'\0041'

-- a pattern must be a short text
SELECT regexp_like(redacted_text, redacted_text) FROM complaints

-- a pattern must be a short text
SELECT regexp_like('x', 'x' || redacted_text) FROM complaints

-- bounded
SELECT regexp_like(redacted_text, '((((a{1,900}){1,900}){1,900}){1,900})') FROM complaints

-- bounded
SELECT regexp_replace(redacted_text, '(a|aa|aaa)*(.*)*(.+)+$', 'x') FROM complaints

-- a word holds other signs
SELECT date_trunc('day'', (SELECT 1)) --', event_time) FROM events

-- a word holds other signs
SELECT extract("day), (SELECT 1" FROM event_time) FROM events

-- a word holds other signs
SELECT json_extract_scalar(evidence, '$["x'') FROM sqlite_master --"]') FROM events

-- a name holds other signs
SELECT "customer_key""; DROP VIEW x; --" FROM complaints

-- harmless
SELECT '''; DROP VIEW analyst.complaints; --' AS x, 'x'' OR ''1''=''1' AS y

-- harmless
SELECT /* ; DROP VIEW x */ 1 -- FROM compliance.events

-- harmless
SELECT /*+ hint */ 1

-- a table's name holds other signs
SELECT * FROM "complaints "

-- a table's name holds other signs
SELECT * FROM "cоmplaints"

-- no such view
SELECT * FROM "sqlite_master"

-- harmless
SELECT "CUSTOMER_KEY" FROM "COMPLAINTS"

-- LIMIT and OFFSET must be whole numbers
SELECT * FROM events LIMIT ALL

-- LIMIT and OFFSET must be whole numbers
SELECT * FROM events LIMIT (SELECT 1000000)

-- what=fetch
SELECT * FROM events FETCH FIRST 5 ROWS WITH TIES

-- bounded
SELECT * FROM events LIMIT 999999999999999999999999

-- bounded
SELECT count(*) FROM events a, events b, events c, events d, events e, events f, events g, events h, events i

-- bounded
SELECT a.event_id FROM events a, events b, events c, events d, events e, events f, events g ORDER BY a.redacted_text || g.redacted_text

-- bounded
SELECT array_agg(a.redacted_text) FROM events a, events b, events c, events d, events e, events f

-- bounded
SELECT listagg(a.redacted_text || b.redacted_text, ',') FROM events a, events b, events c, events d, events e, events f

-- bounded
WITH a AS (SELECT concat('xxxxxxxxxxxxxxxx', 'xxxxxxxxxxxxxxxx') AS x), b AS (SELECT replace(x, 'x', x) AS x FROM a), c AS (SELECT replace(x, 'x', x) AS x FROM b), d AS (SELECT replace(x, 'x', x) AS x FROM c), e AS (SELECT replace(x, 'x', x) AS x FROM d) SELECT x FROM e

-- bounded
SELECT a.event_id, count(*) FROM events a, events b, events c, events d GROUP BY CUBE (a.event_id, b.event_id, c.event_id, d.event_id, a.channel, a.source, a.region)

-- bounded
SELECT count(*) FROM events CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t0(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t1(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t2(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t3(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t4(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t5(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t6(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t7(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t8(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t9(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t10(x) CROSS JOIN UNNEST(split(redacted_text, 'e')) AS t11(x)

-- failed on a value
SELECT t.x FROM events CROSS JOIN UNNEST(CAST(json_parse(redacted_text) AS array(json))) AS t(x)

-- the query
SELECT 99999999999999999999999999999999999999 * 99999999999999999999999999999999999999
