-- What became of everything received, plan by plan.
-- owner: complaints platform
-- version: 2
-- never null: plan, channel, received, accepted, duplicate, quarantined, redelivered, processed_at, as_of_seq
SELECT
    CAST(plan AS bigint) AS plan,
    CAST(channel AS varchar) AS channel,
    CAST(received AS bigint) AS received,
    CAST(accepted AS bigint) AS accepted,
    CAST(duplicate AS bigint) AS duplicate,
    CAST(quarantined AS bigint) AS quarantined,
    CAST(redelivered AS bigint) AS redelivered,
    CAST(processed_at AS timestamp(6) with time zone) AS processed_at,
    CAST(coalesce((
        SELECT max(CAST(value AS bigint)) FROM ops."ledger$properties" WHERE key = 'beejan.commit_seq'
    ), 0) AS bigint) AS as_of_seq
FROM ops.ledger
