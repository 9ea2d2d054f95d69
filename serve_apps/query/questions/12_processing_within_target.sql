-- What share of events was decided within its channel's target, and how long did half and 95 % of them take?
-- Asked by: the operations lead, for the service agreement
WITH targets AS (
    SELECT * FROM (VALUES ('social', 4), ('sms', 8), ('web_form', 8), ('call_centre', 12)) AS t(channel, hours)
),
taken AS (
    SELECT
        channel,
        date_diff('second', received_at, processed_at) AS taken_s,
        row_number() OVER (PARTITION BY channel ORDER BY date_diff('second', received_at, processed_at)) AS place,
        count(*) OVER (PARTITION BY channel) AS events
    FROM events
)
SELECT
    k.channel,
    t.hours AS target_hours,
    count(*) AS events,
    CAST(count_if(k.taken_s <= t.hours * 3600) AS double) / count(*) AS within_ratio,
    min(k.taken_s) FILTER (WHERE k.place * 100 >= k.events * 50) AS p50_s,
    min(k.taken_s) FILTER (WHERE k.place * 100 >= k.events * 95) AS p95_s
FROM taken AS k
JOIN targets AS t ON t.channel = k.channel
GROUP BY k.channel, t.hours
ORDER BY k.channel
