-- How many events came more than two hours after they happened, from which channels, and how late at worst?
-- Asked by: the integration engineer
SELECT
    channel,
    count(*) AS events,
    count_if(received_at > event_time + INTERVAL '2' HOUR) AS late,
    CAST(count_if(received_at > event_time + INTERVAL '2' HOUR) AS double) / count(*) AS late_ratio,
    max(date_diff('hour', event_time, received_at)) AS worst_hours
FROM events
WHERE event_time IS NOT NULL
GROUP BY channel
ORDER BY channel
