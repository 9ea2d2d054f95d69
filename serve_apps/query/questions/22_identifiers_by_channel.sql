-- Which kinds of identifiers do people write into their complaints, channel by channel?
-- Asked by: compliance
SELECT
    channel,
    count(*) AS events,
    count(pii) AS with_identifiers,
    sum(CAST(json_extract_scalar(pii, '$.phone') AS bigint)) AS phones,
    sum(CAST(json_extract_scalar(pii, '$.email') AS bigint)) AS emails,
    sum(CAST(json_extract_scalar(pii, '$.account') AS bigint)) AS accounts,
    sum(CAST(json_extract_scalar(pii, '$.card') AS bigint)) AS cards,
    sum(CAST(json_extract_scalar(pii, '$.imei') AS bigint)) AS imeis
FROM events
GROUP BY channel
ORDER BY channel
