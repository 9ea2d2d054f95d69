-- A day's complaints by channel, place and category, and what was held back on it.
-- owner: customer insight
-- version: 2
-- never null: local_date, channel, complaints, clusters, quarantined, is_provisional, as_of_seq
SELECT
    CAST(local_date AS date) AS local_date,
    CAST(channel AS varchar) AS channel,
    CAST(region AS varchar) AS region,
    CAST(l1 AS varchar) AS l1,
    CAST(l2 AS varchar) AS l2,
    CAST(sum(complaint) AS bigint) AS complaints,
    CAST(count(DISTINCT grievance) AS bigint) AS clusters,
    CAST(sum(quarantined) AS bigint) AS quarantined,
    CAST(local_date >= (
        SELECT max(CAST(received_at AS date)) FROM structured.events
    ) - INTERVAL '1' DAY AS boolean) AS is_provisional,
    CAST(least(coalesce((
        SELECT max(CAST(value AS bigint)) FROM curated."complaints$properties" WHERE key = 'beejan.source_seq'
    ), 0), coalesce((
        SELECT max(CAST(value AS bigint)) FROM structured."events$properties" WHERE key = 'beejan.commit_seq'
    ), 0)) AS bigint) AS as_of_seq
FROM (
    SELECT
        coalesce(local_date, event_date) AS local_date,
        channel,
        region,
        l1,
        l2,
        1 AS complaint,
        coalesce(cluster_id, event_id) AS grievance,
        0 AS quarantined
    FROM curated.complaints
    WHERE disposition = 'accepted' AND is_complaint
    UNION ALL
    SELECT
        coalesce(local_date, event_date),
        channel,
        region,
        l1,
        l2,
        0,
        NULL,
        1
    FROM structured.events
    WHERE disposition = 'quarantined'
) AS counted
GROUP BY local_date, channel, region, l1, l2
