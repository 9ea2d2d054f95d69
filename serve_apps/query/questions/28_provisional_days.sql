-- How complete was each day at its own end: what share of its complaints came only on a later day?
-- Asked by: the head of customer care
WITH provisional AS (
    SELECT local_date, bool_or(is_provisional) AS is_provisional
    FROM kpi_daily
    GROUP BY local_date
),
arrived AS (
    SELECT
        local_date,
        count(*) AS complaints,
        count_if(CAST(received_at AT TIME ZONE 'Africa/Lagos' AS date) > local_date) AS later
    FROM complaints
    WHERE is_counted
    GROUP BY local_date
)
SELECT
    a.local_date,
    a.complaints,
    a.later,
    CAST(a.later AS double) / a.complaints AS later_ratio,
    p.is_provisional
FROM arrived AS a
JOIN provisional AS p ON p.local_date = a.local_date
ORDER BY a.local_date DESC
