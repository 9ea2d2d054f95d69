-- Each of these would need far more memory than Trino has, most of it where Trino does not count it: inside one
-- expression, or while it plans. Those marked daily are thrown in the test suite, all by `python -m benchmarks.bombs`.

-- join_of_a_sequence (daily)
SELECT max(length(array_join(repeat(rpad('x', 1000, 'y'), 1000), ','))) FROM UNNEST(sequence(1, 10000)) AS t(n)

-- padded (daily)
SELECT length(lpad('x', 2000000000, 'y'))

-- padded_rows
SELECT rpad('x', 300000000 + n, 'y') FROM UNNEST(sequence(1, 8)) AS t(n)

-- padded_columns
SELECT length(rpad('a', 250000000 + n, 'y') || rpad('b', 250000000 + n, 'y') || rpad('c', 250000000 + n, 'y')) FROM UNNEST(sequence(1, 20)) AS t(n)

-- doubled_by_with (daily)
WITH a AS (SELECT redacted_text || '..........' AS x FROM lake.served.events), b AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM a), c AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM b), d AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM c), e AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM d), f AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM e), g AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM f) SELECT max(length(x)) FROM g

-- doubled_constant
WITH a AS (SELECT 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' AS x), b AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM a), c AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM b), d AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM c), e AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM d), f AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM e), g AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM f), h AS (SELECT x||x||x||x||x||x||x||x||x||x AS x FROM g) SELECT length(x) FROM h

-- doubled_in_a_lambda (daily)
SELECT reduce(sequence(1, 30), 'xxxxxxxx', (s, x) -> s || s, s -> length(s)) FROM UNNEST(sequence(1, 4)) AS t(n)

-- replaced (daily)
SELECT max(length(replace(replace(replace(replace(rpad('a', 100 + n, 'a'), 'a', rpad('b', 100, 'b')), 'b', rpad('c', 100, 'c')), 'c', rpad('d', 100, 'd')), 'd', rpad('e', 100, 'e')))) FROM UNNEST(sequence(1, 10)) AS t(n)

-- replaced_by_pattern
SELECT max(length(regexp_replace(regexp_replace(regexp_replace(rpad('a', 1000 + n, 'a'), 'a', rpad('b', 1000, 'b')), 'b', rpad('c', 1000, 'c')), 'c', 'dd'))) FROM UNNEST(sequence(1, 10)) AS t(n)

-- list_of_long_texts (daily)
SELECT cardinality(array_agg(rpad('x', 1000000 + n, 'y'))) FROM UNNEST(sequence(1, 5000)) AS t(n)

-- listed (daily)
SELECT length(listagg(rpad('x', 1000000 + n, 'y'), '') WITHIN GROUP (ORDER BY n)) FROM UNNEST(sequence(1, 5000)) AS t(n)

-- transformed (daily)
SELECT max(cardinality(transform(sequence(1, 10000), x -> rpad('x', 100000 + n, 'y')))) FROM UNNEST(sequence(1, 10)) AS t(n)

-- written_as_json
SELECT length(json_format(CAST(transform(sequence(1, 10000), x -> rpad('x', 30000 + n, 'y')) AS json))) FROM UNNEST(sequence(1, 10)) AS t(n)

-- read_as_json
SELECT cardinality(CAST(json_parse('[' || rpad('1', 200000001, ',1') || ']') AS array(bigint)))

-- split
SELECT max(cardinality(split(rpad(CAST(n AS varchar), 100000000, ','), ','))) FROM UNNEST(sequence(1, 10)) AS t(n)

-- formatted (daily)
SELECT length(format('%2000000000d', n)) FROM UNNEST(sequence(1, 10)) AS t(n)

-- formatted_less
SELECT length(format('%200000000d', n)) FROM UNNEST(sequence(1, 20)) AS t(n)

-- mapped (daily)
SELECT cardinality(map_agg(n, rpad('x', 500000, CAST(n AS varchar)))) FROM UNNEST(sequence(1, 10000)) AS t(n)

-- distinct_of_a_product (daily)
SELECT count(DISTINCT uuid()) FROM UNNEST(sequence(1, 10000)) AS t(n) CROSS JOIN UNNEST(sequence(1, 10000)) AS u(m)

-- sorted_product (daily)
SELECT a.event_id, b.redacted_text FROM lake.served.events a CROSS JOIN lake.served.events b CROSS JOIN lake.served.events c CROSS JOIN UNNEST(sequence(1, 10000)) AS t(n) ORDER BY b.redacted_text, t.n DESC

-- plan_of_many_reads
WITH a AS (SELECT event_id FROM lake.served.events), b AS (SELECT * FROM a UNION ALL SELECT * FROM a), c AS (SELECT * FROM b UNION ALL SELECT * FROM b UNION ALL SELECT * FROM b UNION ALL SELECT * FROM b), d AS (SELECT * FROM c UNION ALL SELECT * FROM c UNION ALL SELECT * FROM c UNION ALL SELECT * FROM c), e AS (SELECT * FROM d UNION ALL SELECT * FROM d UNION ALL SELECT * FROM d UNION ALL SELECT * FROM d), f AS (SELECT * FROM e UNION ALL SELECT * FROM e UNION ALL SELECT * FROM e UNION ALL SELECT * FROM e), g AS (SELECT * FROM f UNION ALL SELECT * FROM f UNION ALL SELECT * FROM f UNION ALL SELECT * FROM f), h AS (SELECT * FROM g UNION ALL SELECT * FROM g UNION ALL SELECT * FROM g UNION ALL SELECT * FROM g), i AS (SELECT * FROM h UNION ALL SELECT * FROM h UNION ALL SELECT * FROM h UNION ALL SELECT * FROM h) SELECT count(*) FROM i

-- plan_of_many_values
WITH a AS (SELECT x FROM (VALUES 1, 2) AS v(x)), b AS (SELECT a.x FROM a, a AS a2, a AS a3, a AS a4, a AS a5, a AS a6, a AS a7, a AS a8), c AS (SELECT b.x FROM b, b AS b2, b AS b3, b AS b4, b AS b5, b AS b6, b AS b7, b AS b8), d AS (SELECT c.x FROM c, c AS c2, c AS c3, c AS c4, c AS c5, c AS c6, c AS c7, c AS c8) SELECT count(*) FROM d

-- lists_of_lists
SELECT cardinality(flatten(transform(sequence(1, 10000), x -> sequence(1, 10000))))

-- reversed_and_encoded
SELECT length(to_hex(to_utf8(reverse(upper(rpad('x', 150000000 + n, 'y')))))) FROM UNNEST(sequence(1, 8)) AS t(n)
