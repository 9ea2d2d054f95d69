-- When did a source send nothing for nine hours or more: from when to when?
-- Asked by: the integration engineer
WITH arrivals AS (
    SELECT
        source,
        received_at,
        lag(received_at) OVER (PARTITION BY source ORDER BY received_at, event_id) AS before
    FROM events
    WHERE channel IN ('social', 'sms')
)
SELECT
    source,
    before AS silent_from,
    received_at AS silent_to,
    date_diff('minute', before, received_at) AS minutes
FROM arrivals
WHERE received_at >= before + INTERVAL '9' HOUR
ORDER BY minutes DESC, source, silent_from
LIMIT 15
