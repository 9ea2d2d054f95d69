-- Which rules decide most complaints, and how sure were we where they spoke?
-- Asked by: the keeper of the rules
SELECT
    json_extract_scalar(found.entry, '$.rule') AS rule,
    json_extract_scalar(found.entry, '$.l2') AS category,
    count(*) AS fired,
    count(DISTINCT c.event_id) AS events,
    CAST(sum(CAST(c.confidence AS decimal(18, 12))) AS double) / count(c.confidence) AS average_confidence
FROM complaints AS c
CROSS JOIN UNNEST(CAST(json_parse(c.evidence) AS array(json))) AS found(entry)
WHERE json_extract_scalar(found.entry, '$.l2') IS NOT NULL
GROUP BY 1, 2
ORDER BY fired DESC, rule, category
LIMIT 20
