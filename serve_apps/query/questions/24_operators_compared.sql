-- Customers of which operator complain about what?
-- Asked by: the regulator
WITH counted AS (
    SELECT
        operator,
        count(*) AS complaints,
        count_if(l1 = 'network') AS network,
        count_if(l1 = 'billing') AS billing,
        count_if(l1 = 'service') AS service
    FROM complaints
    WHERE is_counted AND operator IS NOT NULL
    GROUP BY operator
)
SELECT
    operator,
    complaints,
    CAST(complaints AS double) / sum(complaints) OVER () AS share,
    CAST(network AS double) / complaints AS network_ratio,
    CAST(billing AS double) / complaints AS billing_ratio,
    CAST(service AS double) / complaints AS service_ratio,
    dense_rank() OVER (ORDER BY CAST(network AS double) / complaints DESC) AS place_by_network
FROM counted
ORDER BY complaints DESC, operator
