-- How fresh is what we see of each source, measured against the newest event of all?
-- Asked by: the integration engineer
WITH newest AS (
    SELECT max(received_at) AS at FROM events
)
SELECT
    e.source,
    max(e.event_time) FILTER (WHERE e.disposition <> 'quarantined') AS newest_event,
    max(e.received_at) AS newest_received,
    max(e.processed_at) AS newest_processed,
    date_diff('minute', max(e.received_at), max(n.at)) AS minutes_behind,
    max(e.plan) AS newest_plan
FROM events AS e
CROSS JOIN newest AS n
GROUP BY e.source
ORDER BY minutes_behind DESC, e.source
