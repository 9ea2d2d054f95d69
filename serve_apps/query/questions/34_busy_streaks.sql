-- On which runs of days in a row were there a tenth more complaints than on the average day?
-- Asked by: the call centre's planner
WITH days AS (
    SELECT local_date, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE complaints > 0
    GROUP BY local_date
),
compared AS (
    SELECT local_date, complaints, avg(complaints) OVER () AS average FROM days
),
busy AS (
    SELECT
        local_date,
        complaints,
        date_add('day', -row_number() OVER (ORDER BY local_date), local_date) AS island
    FROM compared
    WHERE complaints > 1.1e0 * average
)
SELECT min(local_date) AS first_day, max(local_date) AS last_day, count(*) AS days, sum(complaints) AS complaints
FROM busy
GROUP BY island
ORDER BY first_day
