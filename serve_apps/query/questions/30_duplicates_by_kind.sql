-- How many events repeat an earlier one, in which way, and what became of them?
-- Asked by: the operations lead
SELECT
    channel,
    coalesce(link_kind, '(none)') AS link_kind,
    disposition,
    count(*) AS events,
    CAST(count(*) AS double) / sum(count(*)) OVER (PARTITION BY channel) AS share_of_channel,
    CAST(sum(CAST(similarity AS decimal(18, 12))) AS double) / count(similarity) AS average_similarity
FROM events
WHERE disposition <> 'quarantined'
GROUP BY channel, link_kind, disposition
ORDER BY channel, link_kind, disposition
