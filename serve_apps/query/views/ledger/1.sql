-- What became of everything received, plan by plan.
-- owner: complaints platform
-- version: 1
-- never null: plan, channel, received, accepted, duplicate, quarantined, redelivered, processed_at
SELECT
    CAST(plan AS bigint) AS plan,
    CAST(channel AS varchar) AS channel,
    CAST(received AS bigint) AS received,
    CAST(accepted AS bigint) AS accepted,
    CAST(duplicate AS bigint) AS duplicate,
    CAST(quarantined AS bigint) AS quarantined,
    CAST(redelivered AS bigint) AS redelivered,
    CAST(processed_at AS timestamp(6) with time zone) AS processed_at
FROM ops.ledger
