-- Which customers came more than once, when first and when last, and over which channels?
-- Asked by: compliance
SELECT
    customer_key,
    count(*) AS events,
    min(event_time) AS first_at,
    max(event_time) AS last_at,
    min_by(channel, event_time) AS first_channel,
    max_by(channel, event_time) AS last_channel,
    listagg(DISTINCT channel, ', ') WITHIN GROUP (ORDER BY channel) AS channels
FROM complaints
WHERE customer_key IS NOT NULL
GROUP BY customer_key
HAVING count(*) > 1
ORDER BY events DESC, first_at, customer_key
LIMIT 20
