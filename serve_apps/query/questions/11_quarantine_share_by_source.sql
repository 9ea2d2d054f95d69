-- Which sources break their contract most, and with which field?
-- Asked by: the integration engineer
SELECT
    source,
    contract,
    count(*) AS events,
    count_if(disposition = 'quarantined') AS quarantined,
    CAST(count_if(disposition = 'quarantined') AS double) / count(*) AS quarantined_ratio,
    listagg(DISTINCT reason_field, ', ') WITHIN GROUP (ORDER BY reason_field) AS fields
FROM events
GROUP BY source, contract
ORDER BY quarantined_ratio DESC, source, contract
