-- What share of all complaints, and of its parent, is each category?
-- Asked by: the regulator
WITH counted AS (
    SELECT l1, l2, sum(complaints) AS complaints
    FROM kpi_daily
    WHERE complaints > 0
    GROUP BY l1, l2
)
SELECT
    l1,
    l2,
    complaints,
    CAST(complaints AS double) / sum(complaints) OVER () AS share_of_all,
    CAST(complaints AS double) / sum(complaints) OVER (PARTITION BY l1) AS share_of_l1,
    sum(complaints) OVER (ORDER BY l2 = 'unclassified', complaints DESC, l2 ROWS UNBOUNDED PRECEDING) AS running
FROM counted
ORDER BY l2 = 'unclassified', complaints DESC, l2
