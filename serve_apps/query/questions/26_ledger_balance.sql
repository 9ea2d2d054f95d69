-- Is everything that was received accounted for, channel by channel and in total?
-- Asked by: the regulator
SELECT
    coalesce(channel, '(all)') AS channel,
    sum(received) AS received,
    sum(accepted) AS accepted,
    sum(duplicate) AS duplicate,
    sum(quarantined) AS quarantined,
    sum(redelivered) AS redelivered,
    sum(received) = sum(accepted + duplicate + quarantined + redelivered) AS is_balanced,
    grouping(channel) AS is_total
FROM ledger
GROUP BY ROLLUP (channel)
ORDER BY is_total, channel
