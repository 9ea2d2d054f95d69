-- Do the views agree with each other? Every number should be 0, links to erased events apart.
-- Asked by: compliance
SELECT 'ids that are there twice' AS checked, count(*) - count(DISTINCT event_id) AS found FROM events
UNION ALL
SELECT 'complaints without their event', count(*)
FROM complaints AS c
WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = c.event_id)
UNION ALL
SELECT 'accepted events that are no complaint row', count(*)
FROM events AS e
LEFT JOIN complaints AS c ON c.event_id = e.event_id
WHERE e.disposition = 'accepted' AND c.event_id IS NULL
UNION ALL
SELECT 'quarantined without a reason', count_if(reason IS NULL) FROM quarantine
UNION ALL
SELECT 'accepted with a reason', count_if(reason IS NOT NULL) FROM events WHERE disposition <> 'quarantined'
UNION ALL
SELECT 'decided before received', count_if(processed_at < received_at) FROM events
UNION ALL
SELECT 'links to events that were erased', count(*)
FROM events AS e
WHERE e.linked_to IS NOT NULL AND e.linked_to NOT IN (SELECT event_id FROM events)
UNION ALL
SELECT 'clusters whose first member was erased', count_if(e.event_id IS NULL)
FROM clusters AS c
LEFT JOIN events AS e ON e.event_id = c.cluster_id
UNION ALL
SELECT 'days whose sum differs', count(*)
FROM (SELECT local_date, sum(complaints) AS n FROM kpi_daily GROUP BY local_date) AS k
LEFT JOIN (
    SELECT local_date, count(*) AS n
    FROM complaints
    WHERE is_complaint AND disposition = 'accepted'
    GROUP BY local_date
) AS c ON c.local_date = k.local_date
WHERE k.n <> coalesce(c.n, 0)
ORDER BY checked
