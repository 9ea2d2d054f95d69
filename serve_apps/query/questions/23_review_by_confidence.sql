-- From which confidence on may we trust the rules?
-- Asked by: the keeper of the rules
SELECT
    CAST(floor(confidence * 10) AS bigint) AS tenths,
    count(*) AS complaints,
    count_if(needs_review) AS for_review,
    CAST(count_if(needs_review) AS double) / count(*) AS review_ratio,
    CAST(sum(CAST(confidence AS decimal(18, 12))) AS double) / count(confidence) AS average_confidence
FROM complaints
WHERE is_counted
GROUP BY CAST(floor(confidence * 10) AS bigint)
ORDER BY tenths
