-- Which categories grow, and by how many complaints a day?
-- Asked by: the operations lead
WITH daily AS (
    SELECT
        l1,
        l2,
        date_diff('day', DATE '2026-01-01', local_date) AS day,
        NOT is_provisional AS is_final,
        NOT is_provisional AND row_number() OVER (PARTITION BY local_date ORDER BY l1, l2) = 1 AS is_first,
        sum(complaints) AS complaints
    FROM kpi_daily
    GROUP BY l1, l2, local_date, is_provisional
),
measured AS (
    -- A category has every day, also those on which nobody complained of it.
    SELECT
        l1,
        l2,
        complaints,
        CASE WHEN is_final THEN complaints ELSE 0 END AS counted,
        day,
        sum(CASE WHEN is_first THEN 1 ELSE 0 END) OVER () AS days,
        sum(CASE WHEN is_first THEN day ELSE 0 END) OVER () AS day_sum,
        sum(CASE WHEN is_first THEN day * day ELSE 0 END) OVER () AS day_squares
    FROM daily
)
SELECT
    l1,
    l2,
    sum(counted) AS complaints,
    CAST(max(days) * sum(counted * day) - max(day_sum) * sum(counted) AS double)
        / NULLIF(max(days) * max(day_squares) - max(day_sum) * max(day_sum), 0) AS more_a_day
FROM measured
GROUP BY l1, l2
HAVING sum(complaints) > 0
ORDER BY l1, l2
