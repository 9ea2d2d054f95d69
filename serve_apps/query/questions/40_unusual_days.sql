-- On which days did a category lie more than two standard deviations above its seven days before?
-- Asked by: the network operations centre
WITH counted AS (
    SELECT local_date, l1, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE l1 IS NOT NULL
    GROUP BY local_date, l1
),
compared AS (
    SELECT
        local_date,
        l1,
        complaints,
        count(*) OVER week_before AS days,
        avg(CAST(complaints AS double)) OVER week_before AS expected,
        stddev_samp(CAST(complaints AS double)) OVER week_before AS deviation
    FROM counted
    WINDOW week_before AS (PARTITION BY l1 ORDER BY local_date ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING)
)
SELECT local_date, l1, complaints, expected, (complaints - expected) / nullif(deviation, 0e0) AS deviations
FROM compared
WHERE days = 7 AND complaints > expected + 2 * deviation
ORDER BY local_date, l1
