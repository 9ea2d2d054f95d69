-- A day's complaints by channel, place and category, and what was held back on it.
-- owner: customer insight
-- version: 3
-- never null: local_date, channel, complaints, clusters, quarantined, is_provisional, as_of_seq
SELECT
    CAST(local_date AS date) AS local_date,
    CAST(channel AS varchar) AS channel,
    CAST(region AS varchar) AS region,
    CAST(l1 AS varchar) AS l1,
    CAST(l2 AS varchar) AS l2,
    CAST(complaints AS bigint) AS complaints,
    CAST(clusters AS bigint) AS clusters,
    CAST(quarantined AS bigint) AS quarantined,
    CAST(local_date >= (
        SELECT max(CAST(value AS date)) FROM curated."kpi_daily$properties" WHERE key = 'beejan.received_to'
    ) - INTERVAL '1' DAY AS boolean) AS is_provisional,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM curated."kpi_daily$properties" WHERE key = 'beejan.source_seq'
    ), 0) AS bigint) AS as_of_seq
FROM curated.kpi_daily
