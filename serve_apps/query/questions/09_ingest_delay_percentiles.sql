-- How long after it happened does an event reach us: median, 90th and 99th percentile of each channel?
-- Asked by: the integration engineer
WITH delays AS (
    SELECT channel, date_diff('second', event_time, received_at) AS delay_s
    FROM events
    WHERE event_time <= received_at
),
ordered AS (
    SELECT
        channel,
        delay_s,
        row_number() OVER (PARTITION BY channel ORDER BY delay_s) AS place,
        count(*) OVER (PARTITION BY channel) AS events
    FROM delays
)
SELECT
    channel,
    max(events) AS events,
    min(delay_s) FILTER (WHERE place * 100 >= events * 50) AS p50_s,
    min(delay_s) FILTER (WHERE place * 100 >= events * 90) AS p90_s,
    min(delay_s) FILTER (WHERE place * 100 >= events * 99) AS p99_s,
    max(delay_s) AS most_s
FROM ordered
GROUP BY channel
ORDER BY channel
