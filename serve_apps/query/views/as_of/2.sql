-- Up to which commit each of the lake's tables is.
-- owner: complaints platform
-- version: 2
-- never null: table_name, as_of_seq
SELECT
    CAST(table_name AS varchar) AS table_name,
    CAST(coalesce(seq, 0) AS bigint) AS as_of_seq
FROM (
    SELECT 'structured.events' AS table_name, (
        SELECT max(CAST(value AS bigint)) FROM structured."events$properties" WHERE key = 'beejan.commit_seq'
    ) AS seq
    UNION ALL
    SELECT 'curated.complaints', (
        SELECT max(CAST(value AS bigint)) FROM curated."complaints$properties" WHERE key = 'beejan.source_seq'
    )
    UNION ALL
    SELECT 'curated.kpi_daily', (
        SELECT max(CAST(value AS bigint)) FROM curated."kpi_daily$properties" WHERE key = 'beejan.source_seq'
    )
    UNION ALL
    SELECT 'ops.ledger', (
        SELECT max(CAST(value AS bigint)) FROM ops."ledger$properties" WHERE key = 'beejan.commit_seq'
    )
) AS told
