-- Which categories grow, and by how many complaints a day?
-- Asked by: the operations lead
WITH days AS (
    SELECT DISTINCT local_date, date_diff('day', DATE '2026-01-01', local_date) AS day
    FROM kpi_daily
    WHERE NOT is_provisional
),
categories AS (
    SELECT DISTINCT l1, l2 FROM kpi_daily WHERE complaints > 0
),
counted AS (
    SELECT local_date, l1, l2, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE complaints > 0
    GROUP BY local_date, l1, l2
),
filled AS (
    SELECT c.l1, c.l2, d.day, coalesce(n.complaints, 0) AS complaints
    FROM days AS d
    CROSS JOIN categories AS c
    LEFT JOIN counted AS n ON n.local_date = d.local_date AND n.l1 = c.l1 AND n.l2 = c.l2
)
SELECT
    l1,
    l2,
    sum(complaints) AS complaints,
    covar_pop(CAST(complaints AS double), CAST(day AS double)) / var_pop(CAST(day AS double)) AS more_a_day
FROM filled
GROUP BY l1, l2
ORDER BY l1, l2
