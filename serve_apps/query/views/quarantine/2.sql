-- Events held back, each with its reason.
-- owner: complaints platform
-- version: 2
-- never null: event_id, channel, source, event_date, received_at, reason, contract, plan, as_of_seq
SELECT
    CAST(event_id AS varchar) AS event_id,
    CAST(channel AS varchar) AS channel,
    CAST(source AS varchar) AS source,
    CAST(event_time AS timestamp(6) with time zone) AS event_time,
    CAST(event_date AS date) AS event_date,
    CAST(received_at AS timestamp(6) with time zone) AS received_at,
    CAST(reason AS varchar) AS reason,
    CAST(reason_field AS varchar) AS reason_field,
    CAST(conflicts_with AS varchar) AS conflicts_with,
    CAST(contract AS varchar) AS contract,
    CAST(text AS varchar) AS redacted_text,
    CAST(plan AS bigint) AS plan,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM structured."events$properties" WHERE key = 'beejan.commit_seq'
    ), 0) AS bigint) AS as_of_seq
FROM structured.events
WHERE disposition = 'quarantined'
