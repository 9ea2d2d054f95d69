-- In which quarters of an hour did outages burst: more than three times the median of all with outages?
-- Asked by: the network operations centre
WITH quarters AS (
    SELECT
        date_add('minute', 15 * (minute(event_time) / 15), date_trunc('hour', event_time)) AS quarter,
        count(*) AS outages,
        count(DISTINCT region) AS regions
    FROM complaints
    WHERE l2 = 'outage' AND is_counted
    GROUP BY 1
),
ordered AS (
    SELECT outages, row_number() OVER (ORDER BY outages) AS place, count(*) OVER () AS n
    FROM quarters
),
middle AS (
    SELECT min(outages) AS median FROM ordered WHERE place * 2 >= n
)
SELECT q.quarter, q.outages, q.regions, m.median
FROM quarters AS q
CROSS JOIN middle AS m
WHERE q.outages > 3 * m.median
ORDER BY q.outages DESC, q.quarter
