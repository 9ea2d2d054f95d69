-- Complaints that belong together, two or more; texts that are no complaint are left out. What is said of all is said of the first of them.
-- owner: customer insight
-- version: 3
-- never null: cluster_id, members, customers, representative, as_of_seq
SELECT
    CAST(cluster_id AS varchar) AS cluster_id,
    CAST(first_event_time AS timestamp(6) with time zone) AS first_event_time,
    CAST(last_event_time AS timestamp(6) with time zone) AS last_event_time,
    CAST(members AS bigint) AS members,
    CAST(customers AS bigint) AS customers,
    CAST(opening[1] AS varchar) AS l1,
    CAST(opening[2] AS varchar) AS l2,
    CAST(opening[3] AS varchar) AS region,
    CAST(opening[4] AS varchar) AS representative,
    CAST(opening[5] AS varchar) AS representative_text,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM curated."complaints$properties" WHERE key = 'beejan.source_seq'
    ), 0) AS bigint) AS as_of_seq
FROM (
    SELECT
        cluster_id,
        min(event_time) AS first_event_time,
        max(event_time) AS last_event_time,
        count(*) AS members,
        count(DISTINCT customer_key) AS customers,
        min_by(
            ARRAY[l1, l2, region, event_id, redacted_text],
            concat(lpad(CAST(CASE WHEN is_representative THEN 0 ELSE plan END AS varchar), 19, '0'), event_id)
        ) AS opening
    FROM curated.complaints
    WHERE cluster_id IS NOT NULL AND is_complaint
    GROUP BY cluster_id
    HAVING count(*) > 1
) AS joined
