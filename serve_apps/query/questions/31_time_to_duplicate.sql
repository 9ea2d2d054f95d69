-- How long after a complaint does its repetition come, and how often over another channel?
-- Asked by: the operations lead
WITH pairs AS (
    SELECT
        e.link_kind,
        date_diff('minute', first.event_time, e.event_time) AS minutes,
        e.channel <> first.channel AS is_other_channel
    FROM events AS e
    JOIN events AS first ON first.event_id = e.linked_to
    WHERE e.event_time >= first.event_time
),
ordered AS (
    SELECT
        link_kind,
        minutes,
        is_other_channel,
        row_number() OVER (PARTITION BY link_kind ORDER BY minutes) AS place,
        count(*) OVER (PARTITION BY link_kind) AS n
    FROM pairs
)
SELECT
    link_kind,
    count(*) AS repetitions,
    count_if(is_other_channel) AS over_another_channel,
    min(minutes) FILTER (WHERE place * 100 >= n * 50) AS p50_minutes,
    min(minutes) FILTER (WHERE place * 100 >= n * 90) AS p90_minutes,
    max(minutes) AS most_minutes
FROM ordered
GROUP BY link_kind
ORDER BY link_kind
