-- Why are events held back, by which source, and what share of all that is held back is each?
-- Asked by: the integration engineer
SELECT
    reason,
    source,
    count(*) AS events,
    CAST(count(*) AS double) / sum(count(*)) OVER () AS share_of_all,
    CAST(count(*) AS double) / sum(count(*)) OVER (PARTITION BY reason) AS share_of_reason
FROM quarantine
GROUP BY reason, source
ORDER BY events DESC, reason, source
