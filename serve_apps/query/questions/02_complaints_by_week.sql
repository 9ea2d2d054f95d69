-- How many complaints did each week bring, on how many days, and how many on its worst day?
-- Asked by: the head of customer care
WITH days AS (
    SELECT local_date, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE complaints > 0
    GROUP BY local_date
)
SELECT
    date_trunc('week', local_date) AS monday,
    count(*) AS days,
    sum(complaints) AS complaints,
    max(complaints) AS most_on_a_day
FROM days
GROUP BY date_trunc('week', local_date)
ORDER BY monday
