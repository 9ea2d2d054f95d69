-- Which second categories come with which first one?
-- Asked by: the keeper of the rules
SELECT
    c.l2,
    t.other,
    count(*) AS complaints,
    CAST(count(*) AS double) / sum(count(*)) OVER (PARTITION BY c.l2) AS share
FROM complaints AS c
CROSS JOIN UNNEST(c.secondary_l2) AS t(other)
WHERE c.is_counted
GROUP BY c.l2, t.other
ORDER BY complaints DESC, c.l2, t.other
