-- What share of events was decided in time: within 10 minutes, and calls, which come in files, by the next 06:00 in Lagos?
-- Asked by: the operations lead, for the service agreement
WITH taken AS (
    SELECT
        channel,
        date_diff('second', received_at, processed_at) AS taken_s,
        CASE
            WHEN channel = 'call_centre' THEN
                processed_at AT TIME ZONE 'Africa/Lagos'
                <= date_trunc('day', received_at AT TIME ZONE 'Africa/Lagos' - INTERVAL '6' HOUR)
                + INTERVAL '30' HOUR
            ELSE processed_at <= received_at + INTERVAL '10' MINUTE
        END AS is_in_time,
        -- As the customer waits: from the event itself, of a call until 06:00 of the day after it.
        CASE
            WHEN disposition = 'quarantined' THEN NULL
            WHEN channel = 'call_centre' THEN
                processed_at AT TIME ZONE 'Africa/Lagos'
                <= date_trunc('day', event_time AT TIME ZONE 'Africa/Lagos') + INTERVAL '30' HOUR
            ELSE processed_at <= event_time + INTERVAL '10' MINUTE
        END AS is_in_time_of_event
    FROM events
),
ordered AS (
    SELECT
        channel,
        taken_s,
        is_in_time,
        is_in_time_of_event,
        row_number() OVER (PARTITION BY channel ORDER BY taken_s) AS place,
        count(*) OVER (PARTITION BY channel) AS events
    FROM taken
)
SELECT
    channel,
    CASE WHEN channel = 'call_centre' THEN 'by 06:00' ELSE '10 minutes' END AS target,
    count(*) AS events,
    CAST(count_if(is_in_time) AS double) / count(*) AS within_ratio,
    CAST(count_if(is_in_time_of_event) AS double) / nullif(count(is_in_time_of_event), 0) AS since_event_ratio,
    min(taken_s) FILTER (WHERE place * 100 >= events * 50) AS p50_s,
    min(taken_s) FILTER (WHERE place * 100 >= events * 95) AS p95_s
FROM ordered
GROUP BY channel
ORDER BY channel
