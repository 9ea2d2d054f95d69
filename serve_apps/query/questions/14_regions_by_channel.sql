-- Where do complaints come from, and through which channel?
-- Asked by: the regional manager
SELECT
    coalesce(region, '(no region named)') AS region,
    sum(complaints) AS complaints,
    coalesce(sum(complaints) FILTER (WHERE channel = 'social'), 0) AS social,
    coalesce(sum(complaints) FILTER (WHERE channel = 'sms'), 0) AS sms,
    coalesce(sum(complaints) FILTER (WHERE channel = 'web_form'), 0) AS web_form,
    coalesce(sum(complaints) FILTER (WHERE channel = 'call_centre'), 0) AS call_centre
FROM kpi_daily
GROUP BY region
HAVING sum(complaints) > 0
ORDER BY kpi_daily.region IS NULL, complaints DESC, region
