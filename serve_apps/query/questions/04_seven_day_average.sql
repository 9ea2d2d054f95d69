-- What is the moving average of complaints over seven days, once seven days are there?
-- Asked by: the head of customer care
WITH days AS (
    SELECT local_date, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE complaints > 0
    GROUP BY local_date
),
moving AS (
    SELECT
        local_date,
        complaints,
        count(*) OVER last_seven AS days,
        avg(complaints) OVER last_seven AS average
    FROM days
    WINDOW last_seven AS (ORDER BY local_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
)
SELECT local_date, complaints, CASE WHEN days = 7 THEN average END AS seven_day_average
FROM moving
ORDER BY local_date
