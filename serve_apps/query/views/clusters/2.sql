-- Complaints that belong together, two or more; what is said of all is said of their representative.
-- owner: customer insight
-- version: 2
-- never null: cluster_id, members, customers, as_of_seq
SELECT
    CAST(cluster_id AS varchar) AS cluster_id,
    CAST(min(event_time) AS timestamp(6) with time zone) AS first_event_time,
    CAST(max(event_time) AS timestamp(6) with time zone) AS last_event_time,
    CAST(count(*) AS bigint) AS members,
    CAST(count(DISTINCT customer_key) AS bigint) AS customers,
    CAST(max(CASE WHEN is_representative THEN l1 END) AS varchar) AS l1,
    CAST(max(CASE WHEN is_representative THEN l2 END) AS varchar) AS l2,
    CAST(max(CASE WHEN is_representative THEN region END) AS varchar) AS region,
    CAST(max(CASE WHEN is_representative THEN event_id END) AS varchar) AS representative,
    CAST(max(CASE WHEN is_representative THEN redacted_text END) AS varchar) AS representative_text,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM curated."complaints$properties" WHERE key = 'beejan.source_seq'
    ), 0) AS bigint) AS as_of_seq
FROM curated.complaints
WHERE cluster_id IS NOT NULL
GROUP BY cluster_id
HAVING count(*) > 1
