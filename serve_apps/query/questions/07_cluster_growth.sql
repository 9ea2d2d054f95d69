-- How did the largest cluster grow from hour to hour?
-- Asked by: the operations lead
WITH largest AS (
    SELECT cluster_id
    FROM clusters
    ORDER BY members DESC, cluster_id
    LIMIT 1
),
hours AS (
    SELECT date_trunc('hour', c.event_time) AS hour, count(*) AS joined
    FROM complaints AS c
    JOIN largest AS l ON l.cluster_id = c.cluster_id
    WHERE c.is_complaint
    GROUP BY date_trunc('hour', c.event_time)
)
SELECT hour, joined, sum(joined) OVER (ORDER BY hour) AS members
FROM hours
ORDER BY hour
