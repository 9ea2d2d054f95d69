"""Answers about events, customers, clusters and the ledger, from the rows alone."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from tests.serve_apps.query.questions.counting import by, grouped, mean, rank, seconds, share, total
from tests.serve_apps.query.questions.facts import Facts, Row
from tests.serve_apps.query.questions.plain_days import CHANNELS

OUTCOMES = ("received", "accepted", "duplicate", "quarantined", "redelivered")
LAGOS = ZoneInfo("Africa/Lagos")
TWO_HOURS = timedelta(hours=2)


def top_clusters(facts: Facts) -> list[Row]:
    order = sorted(
        facts.clusters, key=lambda row: (-row["members"], row["first_event_time"], row["cluster_id"])
    )
    names = ("cluster_id", "members", "customers", "l2", "region", "first_event_time", "last_event_time")
    return [
        {name: row[name] for name in names}
        | {"minutes": seconds(row["first_event_time"], row["last_event_time"], 60)}
        for row in order[:10]
    ]


def cluster_growth(facts: Facts) -> list[Row]:
    largest = min(facts.clusters, key=lambda row: (-row["members"], row["cluster_id"]))["cluster_id"]
    told = [row for row in facts.complaints if row["is_complaint"]]
    members = [row["event_time"] for row in told if row["cluster_id"] == largest]
    hours = Counter(when.replace(minute=0, second=0, microsecond=0) for when in members)
    return [
        {
            "hour": hour,
            "joined": hours[hour],
            "members": sum(n for other, n in hours.items() if other <= hour),
        }
        for hour in sorted(hours)
    ]


def late_events(facts: Facts) -> list[Row]:
    timed = by([row for row in facts.events if row["event_time"]], "channel")
    answer = []
    for channel, rows in sorted(timed.items()):
        late = [row for row in rows if row["received_at"] - row["event_time"] > TWO_HOURS]
        worst = max(seconds(row["event_time"], row["received_at"], 3600) for row in rows)
        answer.append(
            {"channel": channel, "events": len(rows), "late": len(late), "late_ratio": len(late) / len(rows)}
            | {"worst_hours": worst}
        )
    return answer


def ingest_delay_percentiles(facts: Facts) -> list[Row]:
    timed = [row for row in facts.events if row["event_time"] and row["event_time"] <= row["received_at"]]
    answer = []
    for channel, rows in sorted(by(timed, "channel").items()):
        delays = [seconds(row["event_time"], row["received_at"]) for row in rows]
        ranks = {f"p{percent}_s": rank(delays, percent) for percent in (50, 90, 99)}
        answer.append({"channel": channel, "events": len(rows), **ranks, "most_s": max(delays)})
    return answer


def quarantine_by_reason(facts: Facts) -> list[Row]:
    reasons = Counter(row["reason"] for row in facts.quarantine)
    counted = Counter((row["reason"], row["source"]) for row in facts.quarantine)
    return [
        {"reason": reason, "source": source, "events": n}
        | {"share_of_all": n / len(facts.quarantine), "share_of_reason": n / reasons[reason]}
        for (reason, source), n in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def quarantine_share_by_source(facts: Facts) -> list[Row]:
    answer = []
    for (source, contract), rows in by(facts.events, "source", "contract").items():
        held = sum(row["disposition"] == "quarantined" for row in rows)
        fields = sorted({row["reason_field"] for row in rows} - {None})
        answer.append(
            {"source": source, "contract": contract, "events": len(rows), "quarantined": held}
            | {"quarantined_ratio": held / len(rows), "fields": ", ".join(fields) or None}
        )
    return sorted(answer, key=lambda row: (-row["quarantined_ratio"], row["source"], row["contract"]))


def processing_within_target(facts: Facts) -> list[Row]:
    answer = []
    for channel, rows in sorted(by(facts.events, "channel").items()):
        taken = [seconds(row["received_at"], row["processed_at"]) for row in rows]
        told = [row for row in rows if row["disposition"] != "quarantined" and row["event_time"]]
        is_call = channel == "call_centre"
        due, since = (_next_six, _six_after) if is_call else (_ten_minutes, _ten_minutes)
        answer.append(
            {"channel": channel, "target": "by 06:00" if is_call else "10 minutes", "events": len(rows)}
            | {"within_ratio": share(rows, lambda r, due=due: r["processed_at"] <= due(r["received_at"]))}
            | {"since_event_ratio": share(told, lambda r, d=since: r["processed_at"] <= d(r["event_time"]))}
            | {"p50_s": rank(taken, 50), "p95_s": rank(taken, 95)}
        )
    return answer


def _ten_minutes(begin: datetime) -> datetime:
    return begin + timedelta(minutes=10)


def _next_six(begin: datetime) -> datetime:
    """The first 06:00 in Lagos after this instant."""
    local = begin.astimezone(LAGOS)
    same_day = local.replace(hour=6, minute=0, second=0, microsecond=0)
    return same_day if local < same_day else same_day + timedelta(days=1)


def _six_after(begin: datetime) -> datetime:
    """06:00 in Lagos of the day after."""
    local = begin.astimezone(LAGOS) + timedelta(days=1)
    return local.replace(hour=6, minute=0, second=0, microsecond=0)


def review_backlog_by_age(facts: Facts) -> list[Row]:
    newest = max(row["processed_at"] for row in facts.events)
    waiting = [row for row in facts.complaints if row["needs_review"]]

    def hours(row: Row) -> int:
        return seconds(row["received_at"], newest, 3600)

    def age(row: Row) -> str:
        bounds = {"a: less than a day": 24, "b: one to three days": 72, "c: three to seven days": 168}
        return next((name for name, bound in bounds.items() if hours(row) < bound), "d: longer")

    return [
        {"age": name, "waiting": len(rows)}
        | {channel: sum(row["channel"] == channel for row in rows) for channel in CHANNELS}
        | {"oldest_hours": max(map(hours, rows))}
        for name, rows in sorted(grouped(waiting, age).items())
    ]


def first_and_last_contact(facts: Facts) -> list[Row]:
    answer = []
    for key, rows in by([row for row in facts.complaints if row["customer_key"]], "customer_key").items():
        if len(rows) > 1:
            rows = sorted(rows, key=lambda row: row["event_time"])
            ends = {"first_at": rows[0]["event_time"], "last_at": rows[-1]["event_time"]}
            ends |= {"first_channel": rows[0]["channel"], "last_channel": rows[-1]["channel"]}
            channels = ", ".join(sorted({row["channel"] for row in rows}))
            answer.append({"customer_key": key, "events": len(rows), **ends, "channels": channels})
    return sorted(answer, key=lambda row: (-row["events"], row["first_at"], row["customer_key"]))[:20]


def repeat_complainers(facts: Facts) -> list[Row]:
    since = max(row["event_date"] for row in facts.complaints) - timedelta(days=30)
    recent = [
        r for r in facts.complaints if r["is_counted"] and r["customer_key"] and r["event_date"] > since
    ]
    customers = by(recent, "customer_key").values()
    days = [(len(rows), len({row["local_date"] for row in rows})) for rows in customers]
    return [
        {"complaints": n, "customers": sum(m == n for m, _ in days)}
        | {"on_several_days": sum(m == n and several > 1 for m, several in days)}
        for n in sorted({n for n, _ in days})
    ]


def rules_that_fired(facts: Facts) -> list[Row]:
    fired = [
        (entry["rule"], entry["l2"], row["event_id"], row["confidence"])
        for row in facts.complaints
        for entry in msgspec.json.decode(row["evidence"])
        if entry.get("l2") is not None
    ]
    answer = [
        {"rule": rule, "category": l2, "fired": len(found), "events": len({event for *_, event, _ in found})}
        | {"average_confidence": mean([sure for *_, sure in found])}
        for (rule, l2), found in grouped(fired, lambda entry: entry[:2]).items()
    ]
    return sorted(answer, key=lambda row: (-row["fired"], row["rule"], row["category"]))[:20]


def identifiers_by_channel(facts: Facts) -> list[Row]:
    answer = []
    for channel, rows in sorted(by(facts.events, "channel").items()):
        found = [msgspec.json.decode(row["pii"]) for row in rows if row["pii"] is not None]
        kinds = {
            f"{kind}s": sum(each[kind] for each in found if kind in each) or None
            for kind in ("phone", "email", "account", "card", "imei")
        }
        answer.append({"channel": channel, "events": len(rows), "with_identifiers": len(found)} | kinds)
    return answer


def review_by_confidence(facts: Facts) -> list[Row]:
    told = [row for row in facts.complaints if row["is_counted"]]
    return [
        {"tenths": tenths, "complaints": len(rows), "for_review": sum(row["needs_review"] for row in rows)}
        | {"review_ratio": share(rows, lambda row: row["needs_review"])}
        | {"average_confidence": mean([row["confidence"] for row in rows])}
        for tenths, rows in sorted(grouped(told, lambda row: int(row["confidence"] * 10)).items())
    ]


def redelivery_rate(facts: Facts) -> list[Row]:
    return [
        {"channel": channel, "received": total(rows, "received"), "redelivered": total(rows, "redelivered")}
        | {"redelivered_ratio": total(rows, "redelivered") / total(rows, "received")}
        | {"most_in_a_plan": max(row["redelivered"] for row in rows)}
        for channel, rows in sorted(by(facts.ledger, "channel").items())
    ]


def ledger_balance(facts: Facts) -> list[Row]:
    channels = [*sorted(by(facts.ledger, "channel").items()), ("(all)", facts.ledger)]
    answer = []
    for channel, rows in channels:
        sums = {name: total(rows, name) for name in OUTCOMES}
        balanced = 2 * sums["received"] == sum(sums.values())
        answer.append(
            {"channel": channel, **sums, "is_balanced": balanced, "is_total": int(channel == "(all)")}
        )
    return answer


def ledger_against_rows(facts: Facts) -> list[Row]:
    held = by(facts.events, "channel")
    answer = []
    for channel, rows in sorted(by(facts.ledger, "channel").items()):
        booked = sum(total(rows, name) for name in ("accepted", "duplicate", "quarantined"))
        there = held[channel]
        answer.append(
            {"channel": channel, "rows_booked": booked, "rows_held": len(there)}
            | {"rows_erased": booked - len(there), "plans": len({row["plan"] for row in there})}
        )
    return answer


def freshness(facts: Facts) -> list[Row]:
    newest = max(row["received_at"] for row in facts.events)
    answer = []
    for source, rows in by(facts.events, "source").items():
        received = max(row["received_at"] for row in rows)
        told = [row["event_time"] for row in rows if row["disposition"] != "quarantined"]
        answer.append(
            {"source": source, "newest_event": max(told), "newest_received": received}
            | {"newest_processed": max(row["processed_at"] for row in rows)}
            | {"minutes_behind": seconds(received, newest, 60), "newest_plan": max(r["plan"] for r in rows)}
        )
    return sorted(answer, key=lambda row: (-row["minutes_behind"], row["source"]))


def duplicates_by_kind(facts: Facts) -> list[Row]:
    told = [row for row in facts.events if row["disposition"] != "quarantined"]
    channels = by(told, "channel")
    answer = [
        {"channel": channel, "link_kind": kind or "(none)", "disposition": disposition, "events": len(rows)}
        | {"share_of_channel": len(rows) / len(channels[channel])}
        | {"average_similarity": mean([row["similarity"] for row in rows if row["similarity"] is not None])}
        for (channel, kind, disposition), rows in by(told, "channel", "link_kind", "disposition").items()
    ]
    return sorted(answer, key=lambda row: (row["channel"], row["link_kind"], row["disposition"]))


def time_to_duplicate(facts: Facts) -> list[Row]:
    known = {row["event_id"]: row for row in facts.events}
    linked = [(row, known[row["linked_to"]]) for row in facts.events if row["linked_to"] in known]
    pairs = [(row, first) for row, first in linked if row["event_time"] >= first["event_time"]]
    answer = []
    for kind, found in sorted(grouped(pairs, lambda pair: pair[0]["link_kind"]).items()):
        minutes = [seconds(first["event_time"], row["event_time"], 60) for row, first in found]
        other = sum(row["channel"] != first["channel"] for row, first in found)
        answer.append(
            {"link_kind": kind, "repetitions": len(found), "over_another_channel": other}
            | {
                "p50_minutes": rank(minutes, 50),
                "p90_minutes": rank(minutes, 90),
                "most_minutes": max(minutes),
            }
        )
    return answer


def silences(facts: Facts) -> list[Row]:
    now = max(row["processed_at"] for row in facts.events)
    answer = []
    for (source, channel), rows in by(facts.events, "source", "channel").items():
        arrived = [*sorted(row["received_at"] for row in rows), now]
        least = timedelta(hours=9 if channel in ("social", "sms") else 24)
        answer += [
            {"source": source, "silent_from": before, "silent_to": after}
            | {"is_silent_now": number == len(rows), "minutes": seconds(before, after, 60)}
            for number, (before, after) in enumerate(pairwise(arrived), 1)
            if after - before >= least
        ]
    return sorted(
        answer,
        key=lambda r: (not r["is_silent_now"], -r["minutes"], r["source"], r["silent_from"]),
    )[:15]


def versions_in_use(facts: Facts) -> list[Row]:
    answer = []
    for (bundle, code_version), rows in by(facts.events, "bundle", "code_version").items():
        plans, times = [row["plan"] for row in rows], [row["processed_at"] for row in rows]
        told = sum(bool(row["is_complaint"]) for row in rows)
        blank = sum(row["l2"] == "unclassified" and bool(row["is_complaint"]) for row in rows)
        answer.append(
            {
                "bundle": bundle,
                "code_version": code_version,
                "first_plan": min(plans),
                "last_plan": max(plans),
            }
            | {"first_used": min(times), "last_used": max(times), "events": len(rows)}
            | {"quarantined_ratio": share(rows, lambda row: row["disposition"] == "quarantined")}
            | {
                "unclassified_ratio": blank / told,
                "review_ratio": sum(bool(r["needs_review"]) for r in rows) / told,
            }
        )
    return sorted(answer, key=lambda row: row["first_plan"])


def words_without_a_category(facts: Facts) -> list[Row]:
    uses, complaints = Counter[str](), Counter[str]()
    for row in facts.complaints:
        if row["is_counted"] and row["l2"] == "unclassified":
            words = [word for word in re.findall("[a-z0-9]+", row["redacted_text"].lower()) if len(word) >= 5]
            uses.update(words)
            complaints.update(set(words))
    order = sorted(uses, key=lambda word: (-complaints[word], -uses[word], word))
    return [{"word": word, "complaints": complaints[word], "uses": uses[word]} for word in order[:25]]


def completeness(facts: Facts) -> list[Row]:
    columns = {"region": "region", "city": "city", "operator": "operator", "customer": "customer_key"}
    columns |= {"time": "event_time", "text": "redacted_text"}
    return [
        {"channel": channel, "events": len(rows)}
        | {f"no_{name}": share(rows, lambda row, key=key: row[key] is None) for name, key in columns.items()}
        | {"with_unknown_fields": sum((row["extra_fields"] or 0) > 0 for row in rows)}
        for channel, rows in sorted(by(facts.events, "channel").items())
    ]


def consistency(facts: Facts) -> list[Row]:
    """By invariant: what is not about erased rows is 0."""
    ids = {row["event_id"] for row in facts.events}
    found = {
        "links to events that were erased": sum(
            bool(r["linked_to"]) and r["linked_to"] not in ids for r in facts.events
        ),
        "clusters whose first member was erased": sum(row["cluster_id"] not in ids for row in facts.clusters),
    }
    zero = (
        *("ids that are there twice", "complaints without their event", "quarantined without a reason"),
        *("accepted events that are no complaint row", "accepted with a reason", "decided before received"),
        "days whose sum differs",
    )
    return [{"checked": name, "found": n} for name, n in sorted((found | dict.fromkeys(zero, 0)).items())]


def categories_together(facts: Facts) -> list[Row]:
    told = [row for row in facts.complaints if row["is_counted"]]
    pairs = Counter((row["l2"], other) for row in told for other in row["secondary_l2"] or ())
    answer = []
    for (l2, other), n in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        with_l2 = sum(m for (name, _), m in pairs.items() if name == l2)
        answer.append({"l2": l2, "other": other, "complaints": n, "share": n / with_l2})
    return answer
