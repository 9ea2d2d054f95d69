-- By how much did each category rise or fall against the week before?
-- Asked by: the operations lead
WITH weeks AS (
    SELECT date_trunc('week', local_date) AS monday, l1, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE l1 IS NOT NULL
    GROUP BY date_trunc('week', local_date), l1
),
compared AS (
    SELECT monday, l1, complaints, lag(complaints) OVER (PARTITION BY l1 ORDER BY monday) AS week_before
    FROM weeks
)
SELECT
    monday,
    l1,
    complaints,
    week_before,
    complaints - week_before AS change,
    CAST(complaints - week_before AS double) / nullif(week_before, 0) AS change_ratio
FROM compared
ORDER BY monday, l1
