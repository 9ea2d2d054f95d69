-- How many customers complained once, twice and more often within thirty days?
-- Asked by: compliance
WITH newest AS (
    SELECT max(event_date) AS day FROM complaints
),
customers AS (
    SELECT c.customer_key, count(*) AS complaints, count(DISTINCT c.local_date) AS days
    FROM complaints AS c
    CROSS JOIN newest AS n
    WHERE c.is_counted AND c.customer_key IS NOT NULL AND c.event_date > n.day - INTERVAL '30' DAY
    GROUP BY c.customer_key
)
SELECT complaints, count(*) AS customers, count_if(days > 1) AS on_several_days
FROM customers
GROUP BY complaints
ORDER BY complaints
