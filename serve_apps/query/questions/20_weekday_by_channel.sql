-- On which days of the week (1 is Monday) does each channel bring most?
-- Asked by: the call centre's planner
WITH counted AS (
    SELECT channel, day_of_week(local_date) AS weekday, sum(complaints) AS complaints
    FROM kpi_daily
    GROUP BY channel, day_of_week(local_date)
)
SELECT
    channel,
    weekday,
    complaints,
    rank() OVER (PARTITION BY channel ORDER BY complaints DESC) AS place,
    CAST(complaints AS double) / sum(complaints) OVER (PARTITION BY channel) AS share
FROM counted
ORDER BY channel, weekday
