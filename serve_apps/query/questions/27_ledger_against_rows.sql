-- Which rows does the ledger know that are not there any more, because persons had their data erased?
-- Asked by: compliance
WITH booked AS (
    SELECT channel, sum(accepted + duplicate + quarantined) AS rows_booked
    FROM ledger
    GROUP BY channel
),
held AS (
    SELECT channel, count(*) AS rows_held, count(DISTINCT plan) AS plans
    FROM events
    GROUP BY channel
)
SELECT
    b.channel,
    b.rows_booked,
    coalesce(h.rows_held, 0) AS rows_held,
    b.rows_booked - coalesce(h.rows_held, 0) AS rows_erased,
    h.plans
FROM booked AS b
LEFT JOIN held AS h ON h.channel = b.channel
ORDER BY b.channel
