"""Answers about days, weeks, categories and places, from the rows alone."""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tests.serve_apps.query.questions.counting import by, grouped, mean, rank, share, total
from tests.serve_apps.query.questions.facts import Facts, Row

LAGOS = ZoneInfo("Africa/Lagos")
NO_REGION = "(no region named)"
CHANNELS = ("social", "sms", "web_form", "call_centre")


def _days(facts: Facts) -> dict[date, int]:
    """Complaints by day, of days that have any, in order."""
    counted = {day: total(rows, "complaints") for day, rows in by(facts.kpi_daily, "local_date").items()}
    return {day: counted[day] for day in sorted(counted) if counted[day]}


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _told(facts: Facts) -> list[Row]:
    return [row for row in facts.complaints if row["is_counted"]]


def complaints_by_day(facts: Facts) -> list[Row]:
    return [
        {
            "local_date": day,
            "complaints": total(rows, "complaints"),
            "quarantined": total(rows, "quarantined"),
            "is_provisional": any(row["is_provisional"] for row in rows),
        }
        for day, rows in sorted(by(facts.kpi_daily, "local_date").items())
    ]


def complaints_by_week(facts: Facts) -> list[Row]:
    weeks = grouped(_days(facts).items(), lambda pair: _monday(pair[0]))
    return [
        {"monday": monday, "days": len(pairs), "complaints": sum(n for _, n in pairs)}
        | {"most_on_a_day": max(n for _, n in pairs)}
        for monday, pairs in weeks.items()
    ]


def week_over_week(facts: Facts) -> list[Row]:
    told = [row for row in facts.kpi_daily if row["complaints"]]
    newest = max(row["local_date"] for row in told)
    mondays = sorted({_monday(row["local_date"]) for row in told})
    answer = []
    for monday in mondays:
        until = newest if monday == mondays[-1] else monday + timedelta(days=6)
        for l1 in sorted({row["l1"] for row in told}):
            own = [row for row in told if row["l1"] == l1]
            now = total([row for row in own if monday <= row["local_date"] <= until], "complaints")
            week = timedelta(days=7)
            days = [row for row in own if monday <= row["local_date"] + week <= until]
            before = None if monday == mondays[0] else total(days, "complaints")
            change = None if before is None else now - before
            ratio = change / before if change is not None and before else None
            answer.append(
                {"monday": monday, "l1": l1, "is_running": monday == mondays[-1], "complaints": now}
                | {"week_before": before, "change": change, "change_ratio": ratio}
            )
    return answer


def seven_day_average(facts: Facts) -> list[Row]:
    days = list(_days(facts).items())
    return [
        {"local_date": day, "complaints": n}
        | {"seven_day_average": mean([c for _, c in days[i - 6 : i + 1]]) if i >= 6 else None}
        for i, (day, n) in enumerate(days)
    ]


def trend_by_category(facts: Facts) -> list[Row]:
    days = sorted({row["local_date"] for row in facts.kpi_daily if not row["is_provisional"]})
    counted = by([row for row in facts.kpi_daily if row["complaints"]], "l1", "l2")
    x = [(day - date(2026, 1, 1)).days for day in days]
    answer = []
    for l1, l2 in sorted(counted):
        daily = by(counted[l1, l2], "local_date")
        y = [total(daily.get(day, []), "complaints") for day in days]
        slope = statistics.linear_regression(x, y).slope
        answer.append({"l1": l1, "l2": l2, "complaints": sum(y), "more_a_day": slope})
    return answer


def regions_by_channel(facts: Facts) -> list[Row]:
    answer = []
    for region, rows in by(facts.kpi_daily, "region").items():
        channels = {name: total([r for r in rows if r["channel"] == name], "complaints") for name in CHANNELS}
        answer.append({"region": region or NO_REGION, "complaints": sum(channels.values())} | channels)
    told = [row for row in answer if row["complaints"]]
    return sorted(told, key=lambda row: (row["region"] == NO_REGION, -row["complaints"], row["region"]))


def share_of_categories(facts: Facts) -> list[Row]:
    counted = {key: total(rows, "complaints") for key, rows in by(facts.kpi_daily, "l1", "l2").items()}
    order = sorted(
        (key for key, n in counted.items() if n),
        key=lambda key: (key[1] == "unclassified", -counted[key], key[1]),
    )
    running, answer = 0, []
    for l1, l2 in order:
        n = counted[l1, l2]
        running += n
        parent = sum(m for (other, _), m in counted.items() if other == l1)
        shares = {"share_of_all": n / sum(counted.values()), "share_of_l1": n / parent}
        answer.append({"l1": l1, "l2": l2, "complaints": n, **shares, "running": running})
    return answer


def worst_categories_by_region(facts: Facts) -> list[Row]:
    placed = [row for row in facts.kpi_daily if row["region"] and row["l2"] not in (None, "unclassified")]
    answer = []
    for region, rows in sorted(by(placed, "region").items()):
        counted = {l2: total(found, "complaints") for l2, found in by(rows, "l2").items()}
        for line, l2 in enumerate(sorted(counted, key=lambda name: (-counted[name], name))[:2], 1):
            place = 1 + sum(n > counted[l2] for n in counted.values())
            answer.append(
                {"region": region, "line": line, "place": place, "l2": l2, "complaints": counted[l2]}
            )
    return answer


def hour_of_day_in_lagos(facts: Facts) -> list[Row]:
    hours = grouped(_told(facts), lambda row: row["event_time"].astimezone(LAGOS).hour)
    return [
        {"hour_in_lagos": hour, "complaints": len(hours[hour])}
        | {"calls": sum(row["channel"] == "call_centre" for row in hours[hour])}
        for hour in sorted(hours)
    ]


def weekday_by_channel(facts: Facts) -> list[Row]:
    answer = []
    for channel, rows in sorted(by(facts.kpi_daily, "channel").items()):
        weekdays = grouped(rows, lambda row: row["local_date"].isoweekday())
        counted = {day: total(weekdays[day], "complaints") for day in sorted(weekdays)}
        for weekday, n in counted.items():
            place = 1 + sum(m > n for m in counted.values())
            answer.append(
                {"channel": channel, "weekday": weekday, "complaints": n, "place": place}
                | {"share": n / sum(counted.values())}
            )
    return answer


def operators_compared(facts: Facts) -> list[Row]:
    operators = by([row for row in _told(facts) if row["operator"]], "operator")
    everybody = sum(map(len, operators.values()))
    answer: list[Row] = [
        {"operator": name, "complaints": len(rows), "share": len(rows) / everybody}
        | {
            f"{l1}_ratio": share(rows, lambda row, l1=l1: row["l1"] == l1)
            for l1 in ("network", "billing", "service")
        }
        for name, rows in operators.items()
    ]
    ratios = sorted({row["network_ratio"] for row in answer}, reverse=True)
    placed = [row | {"place_by_network": ratios.index(row["network_ratio"]) + 1} for row in answer]
    return sorted(placed, key=lambda row: (-row["complaints"], row["operator"]))


def outage_bursts(facts: Facts) -> list[Row]:
    outages = [row for row in _told(facts) if row["l2"] == "outage"]
    quarters = grouped(
        outages, lambda r: r["event_time"].replace(minute=r["event_time"].minute // 15 * 15, second=0)
    )
    median = rank([len(rows) for rows in quarters.values()], 50)
    bursts = [
        {"quarter": quarter, "outages": len(rows), "regions": len({row["region"] for row in rows} - {None})}
        | {"median": median}
        for quarter, rows in quarters.items()
        if len(rows) > 3 * median
    ]
    return sorted(bursts, key=lambda row: (-row["outages"], row["quarter"]))


def busy_streaks(facts: Facts) -> list[Row]:
    days = _days(facts)
    average = sum(days.values()) / len(days)
    streaks: list[list[date]] = []
    for day in (day for day, n in days.items() if n > 1.1 * average):
        if streaks and streaks[-1][-1] + timedelta(days=1) == day:
            streaks[-1].append(day)
        else:
            streaks.append([day])
    return [
        {"first_day": streak[0], "last_day": streak[-1], "days": len(streak)}
        | {"complaints": sum(days[day] for day in streak)}
        for streak in streaks
    ]


def unusual_days(facts: Facts) -> list[Row]:
    counted = by([row for row in facts.kpi_daily if row["l1"] is not None], "l1", "local_date")
    answer = []
    for l1 in sorted({l1 for l1, _ in counted}):
        days = sorted(day for name, day in counted if name == l1)
        series = [total(counted[l1, day], "complaints") for day in days]
        for i in range(7, len(days)):
            expected, deviation = statistics.fmean(series[i - 7 : i]), statistics.stdev(series[i - 7 : i])
            if series[i] > expected + 2 * deviation:
                deviations = (series[i] - expected) / deviation if deviation else None
                answer.append(
                    {"local_date": days[i], "l1": l1, "complaints": series[i], "expected": expected}
                    | {"deviations": deviations}
                )
    return sorted(answer, key=lambda row: (row["local_date"], row["l1"]))


def provisional_days(facts: Facts) -> list[Row]:
    provisional = {row["local_date"]: row["is_provisional"] for row in facts.kpi_daily}
    accepted = by([row for row in _told(facts) if row["disposition"] == "accepted"], "local_date")
    answer = []
    for day in sorted(accepted, reverse=True):
        later = [row for row in accepted[day] if row["received_at"].astimezone(LAGOS).date() > day]
        answer.append(
            {"local_date": day, "complaints": len(accepted[day]), "later": len(later)}
            | {"later_ratio": len(later) / len(accepted[day]), "is_provisional": provisional[day]}
        )
    return answer
