-- Which version of the code and of the rules decided how much, and did its findings differ?
-- Asked by: the keeper of the rules
SELECT
    bundle,
    code_version,
    min(plan) AS first_plan,
    max(plan) AS last_plan,
    min(processed_at) AS first_used,
    max(processed_at) AS last_used,
    count(*) AS events,
    CAST(count_if(disposition = 'quarantined') AS double) / count(*) AS quarantined_ratio,
    CAST(count_if(l2 = 'unclassified' AND is_complaint) AS double) / count_if(is_complaint) AS unclassified_ratio,
    CAST(count_if(needs_review) AS double) / count_if(is_complaint) AS review_ratio
FROM events
GROUP BY bundle, code_version
ORDER BY first_plan
