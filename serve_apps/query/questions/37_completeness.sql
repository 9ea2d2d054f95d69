-- How often does each channel leave us without a place, an operator, a customer, a time or an offset?
-- Asked by: the integration engineer
SELECT
    channel,
    count(*) AS events,
    CAST(count_if(region IS NULL) AS double) / count(*) AS no_region,
    CAST(count_if(city IS NULL) AS double) / count(*) AS no_city,
    CAST(count_if(operator IS NULL) AS double) / count(*) AS no_operator,
    CAST(count_if(customer_key IS NULL) AS double) / count(*) AS no_customer,
    CAST(count_if(event_time IS NULL) AS double) / count(*) AS no_time,
    CAST(count_if(redacted_text IS NULL) AS double) / count(*) AS no_text,
    count_if(extra_fields > 0) AS with_unknown_fields
FROM events
GROUP BY channel
ORDER BY channel
