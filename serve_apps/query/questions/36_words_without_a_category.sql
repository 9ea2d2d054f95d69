-- Which words stand in the complaints that no rule could place?
-- Asked by: the keeper of the rules
WITH texts AS (
    SELECT event_id, regexp_replace(lower(redacted_text), '[^a-z0-9]+', ' ') AS plain
    FROM complaints
    WHERE is_counted AND l2 = 'unclassified'
)
SELECT t.word, count(DISTINCT x.event_id) AS complaints, count(*) AS uses
FROM texts AS x
CROSS JOIN UNNEST(split(x.plain, ' ')) AS t(word)
WHERE length(t.word) >= 5
GROUP BY t.word
ORDER BY complaints DESC, uses DESC, t.word
LIMIT 25
