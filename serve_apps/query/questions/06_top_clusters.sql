-- Which grievances do most people share?
-- Asked by: the operations lead
SELECT
    cluster_id,
    members,
    customers,
    l2,
    region,
    first_event_time,
    last_event_time,
    date_diff('minute', first_event_time, last_event_time) AS minutes
FROM clusters
ORDER BY members DESC, first_event_time, cluster_id
LIMIT 10
