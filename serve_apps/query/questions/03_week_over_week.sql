-- By how much did each category rise or fall against the week before? The running week is compared with the same days of the week before.
-- Asked by: the operations lead
WITH days AS (
    SELECT date_trunc('week', local_date) AS monday, local_date, l1, complaints
    FROM kpi_daily
    WHERE complaints > 0
),
span AS (
    SELECT min(monday) AS first_monday, max(monday) AS running_monday, max(local_date) AS newest FROM days
),
weeks AS (
    SELECT
        d.monday,
        d.l1,
        sum(d.complaints) AS complaints,
        sum(CASE WHEN day_of_week(d.local_date) <= day_of_week(s.newest) THEN d.complaints ELSE 0 END) AS so_far
    FROM days AS d
    CROSS JOIN span AS s
    GROUP BY d.monday, d.l1
),
wanted AS (
    -- A category has every week, also one in which nobody complained of it.
    SELECT m.monday, c.l1
    FROM (SELECT DISTINCT monday FROM days) AS m
    CROSS JOIN (SELECT DISTINCT l1 FROM days) AS c
),
compared AS (
    SELECT
        w.monday,
        w.l1,
        w.monday = s.running_monday AS is_running,
        coalesce(this.complaints, 0) AS complaints,
        CASE
            WHEN w.monday = s.first_monday THEN NULL
            WHEN w.monday = s.running_monday THEN coalesce(before.so_far, 0)
            ELSE coalesce(before.complaints, 0)
        END AS week_before
    FROM wanted AS w
    CROSS JOIN span AS s
    LEFT JOIN weeks AS this ON this.monday = w.monday AND this.l1 = w.l1
    LEFT JOIN weeks AS before ON before.monday = date_add('day', -7, w.monday) AND before.l1 = w.l1
)
SELECT
    monday,
    l1,
    is_running,
    complaints,
    week_before,
    complaints - week_before AS change,
    CAST(complaints - week_before AS double) / nullif(week_before, 0) AS change_ratio
FROM compared
ORDER BY monday, l1
