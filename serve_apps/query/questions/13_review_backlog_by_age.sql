-- How old are the complaints that wait for a person to look at them?
-- Asked by: the operations lead
WITH newest AS (
    SELECT max(processed_at) AS at FROM events
),
waiting AS (
    SELECT c.channel, c.l1, date_diff('hour', c.received_at, n.at) AS hours
    FROM complaints AS c
    CROSS JOIN newest AS n
    WHERE c.needs_review
)
SELECT
    CASE
        WHEN hours < 24 THEN 'a: less than a day'
        WHEN hours < 72 THEN 'b: one to three days'
        WHEN hours < 168 THEN 'c: three to seven days'
        ELSE 'd: longer'
    END AS age,
    count(*) AS waiting,
    count_if(channel = 'social') AS social,
    count_if(channel = 'sms') AS sms,
    count_if(channel = 'web_form') AS web_form,
    count_if(channel = 'call_centre') AS call_centre,
    max(hours) AS oldest_hours
FROM waiting
GROUP BY 1
ORDER BY age
