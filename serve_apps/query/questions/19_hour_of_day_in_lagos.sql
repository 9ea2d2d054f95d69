-- At which hour of the day, in Lagos, do people complain?
-- Asked by: the call centre's planner
SELECT
    hour(event_time AT TIME ZONE 'Africa/Lagos') AS hour_in_lagos,
    count(*) AS complaints,
    count_if(channel = 'call_centre') AS calls
FROM complaints
WHERE is_counted
GROUP BY hour(event_time AT TIME ZONE 'Africa/Lagos')
ORDER BY hour_in_lagos
