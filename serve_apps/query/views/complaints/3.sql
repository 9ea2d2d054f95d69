-- Every event that was not held back, with its links resolved: count those with is_counted, the others repeat one of them or complain of nothing.
-- owner: customer insight
-- version: 3
-- never null: event_id, channel, source, event_date, received_at, processed_at, disposition, plan, bundle, is_counted, as_of_seq
SELECT
    CAST(event_id AS varchar) AS event_id,
    CAST(channel AS varchar) AS channel,
    CAST(source AS varchar) AS source,
    CAST(event_time AS timestamp(6) with time zone) AS event_time,
    CAST(event_date AS date) AS event_date,
    CAST(local_date AS date) AS local_date,
    CAST(received_at AS timestamp(6) with time zone) AS received_at,
    CAST(processed_at AS timestamp(6) with time zone) AS processed_at,
    CAST(customer_key AS varchar) AS customer_key,
    CAST(account_key AS varchar) AS account_key,
    CAST(redacted_text AS varchar) AS redacted_text,
    CAST(country AS varchar) AS country,
    CAST(region AS varchar) AS region,
    CAST(city AS varchar) AS city,
    CAST(operator AS varchar) AS operator,
    CAST(is_complaint AS boolean) AS is_complaint,
    CAST(l1 AS varchar) AS l1,
    CAST(l2 AS varchar) AS l2,
    CAST(secondary_l2 AS array(varchar)) AS secondary_l2,
    CAST(confidence AS double) AS confidence,
    CAST(needs_review AS boolean) AS needs_review,
    CAST(evidence AS varchar) AS evidence,
    CAST(disposition AS varchar) AS disposition,
    CAST(linked_to AS varchar) AS linked_to,
    CAST(link_kind AS varchar) AS link_kind,
    CAST(similarity AS double) AS similarity,
    CAST(cluster_id AS varchar) AS cluster_id,
    CAST(is_representative AS boolean) AS is_representative,
    CAST(disposition = 'accepted' AND coalesce(is_complaint, false) AS boolean) AS is_counted,
    CAST(bundle AS varchar) AS bundle,
    CAST(plan AS bigint) AS plan,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM curated."complaints$properties" WHERE key = 'beejan.source_seq'
    ), 0) AS bigint) AS as_of_seq
FROM curated.complaints
