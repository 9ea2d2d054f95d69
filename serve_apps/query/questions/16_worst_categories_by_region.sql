-- What are the two most frequent categories of each region, among those that are classified?
-- Asked by: the regional manager
WITH counted AS (
    SELECT region, l2, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE region IS NOT NULL AND l2 <> 'unclassified'
    GROUP BY region, l2
),
ranked AS (
    SELECT
        region,
        l2,
        complaints,
        rank() OVER (PARTITION BY region ORDER BY complaints DESC) AS place,
        row_number() OVER (PARTITION BY region ORDER BY complaints DESC, l2) AS line
    FROM counted
)
SELECT region, line, place, l2, complaints
FROM ranked
WHERE line <= 2
ORDER BY region, line
