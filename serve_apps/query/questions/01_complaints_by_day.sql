-- How many complaints were made each day, how much was held back, and may more still come?
-- Asked by: the head of customer care
SELECT
    local_date,
    sum(complaints) AS complaints,
    sum(quarantined) AS quarantined,
    bool_or(is_provisional) AS is_provisional
FROM kpi_daily
GROUP BY local_date
ORDER BY local_date
