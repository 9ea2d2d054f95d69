-- When did a source send nothing for nine hours or more (forms and call logs: a day or more), and which is silent now, at the newest commit?
-- Asked by: the integration engineer
WITH newest AS (
    SELECT max(processed_at) AS at FROM events
),
arrivals AS (
    SELECT
        e.source,
        e.channel IN ('social', 'sms') AS is_frequent,
        e.received_at,
        lead(e.received_at) OVER (PARTITION BY e.source, e.channel ORDER BY e.received_at, e.event_id) AS next,
        n.at
    FROM events AS e
    CROSS JOIN newest AS n
),
gaps AS (
    SELECT source, is_frequent, received_at, coalesce(next, at) AS until, next IS NULL AS is_silent_now
    FROM arrivals
)
SELECT
    source,
    received_at AS silent_from,
    until AS silent_to,
    is_silent_now,
    date_diff('minute', received_at, until) AS minutes
FROM gaps
WHERE until >= received_at + INTERVAL '24' HOUR OR (is_frequent AND until >= received_at + INTERVAL '9' HOUR)
ORDER BY is_silent_now DESC, minutes DESC, source, silent_from
LIMIT 15
