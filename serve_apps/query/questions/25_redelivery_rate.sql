-- What share of what each channel sends did we have already?
-- Asked by: the integration engineer
SELECT
    channel,
    sum(received) AS received,
    sum(redelivered) AS redelivered,
    CAST(sum(redelivered) AS double) / sum(received) AS redelivered_ratio,
    max(redelivered) AS most_in_a_plan
FROM ledger
GROUP BY channel
ORDER BY channel
