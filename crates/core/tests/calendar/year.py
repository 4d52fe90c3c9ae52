"""Due dates over a year, by Python's zoneinfo: read beside crates/core/src/rotation, of which it shares no idea.

Here every candidate of the year is listed, every window becomes its intervals of the year, and what is open is what
set algebra leaves: maintenance without blackouts. One policy a line as JSON comes in, its dates go out:
[[planned, at], ...] in seconds since 1970.
"""
import hashlib
import itertools
import json
import re
import sys
import uuid
from bisect import bisect_right
from calendar import monthrange
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@lru_cache(maxsize=None)
def instant(zone, local):
    """Seconds since 1970. A time that comes twice is its first; a missing one is the first minute there is after."""
    while True:
        there = local.replace(tzinfo=zone).astimezone(UTC)
        if there.astimezone(zone).replace(tzinfo=None) == local:
            return int(there.timestamp())
        local += MINUTE


def clock(text):
    hour, minute = text.split(":")
    return time(int(hour) % 24, int(minute))


def days(first, last):
    return (first + DAY * n for n in range((last - first).days + 1))


def months_later(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def by_period(period, at, zone, anchor, until):
    number = {letter: int(count) for count, letter in re.findall(r"(\d+)([A-Z])", period.partition("T")[0])}
    exact = {letter: int(count) for count, letter in re.findall(r"(\d+)([A-Z])", period.partition("T")[2])}
    months = number.get("Y", 0) * 12 + number.get("M", 0)
    whole_days = number.get("W", 0) * 7 + number.get("D", 0)
    seconds = exact.get("H", 0) * 3600 + exact.get("M", 0) * 60 + exact.get("S", 0)
    here = datetime.fromtimestamp(anchor, zone).replace(tzinfo=None, fold=0)
    for count in itertools.count(1):
        if months or whole_days:
            day = months_later(here.date(), months * count) + DAY * whole_days * count
            whole = instant(zone, datetime.combine(day, clock(at) if at else here.time()))
        else:
            whole = anchor
        planned = whole + seconds * count
        if planned > until:
            return
        yield planned


def field(text, least, most, names=()):
    for number, name in enumerate(names):
        text = text.replace(name, str(number))
    values = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        first, last = (least, most) if span == "*" else (int(first), int(last or first))
        values.update(range(first, last + 1, int(step or 1)))
    return values


def by_cron(expression, zone, first, last):
    minute, hour, of_month, month, of_week = expression.split()
    minutes, hours = field(minute, 0, 59), field(hour, 0, 23)
    months, month_days = field(month, 1, 12), field(of_month, 1, 31)
    week_days = {day % 7 for day in field(of_week, 0, 7, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
    for day in days(first, last):
        in_month, in_week = day.day in month_days, day.isoweekday() % 7 in week_days
        either = (in_month or in_week) if "*" not in (of_month, of_week) else (in_month and in_week)
        if day.month in months and either:
            for at in itertools.product(sorted(hours), sorted(minutes)):
                yield instant(zone, datetime.combine(day, time(*at)))


def spans(window, zone, first, last):
    """The intervals of a window, as local times."""
    if "/" in window and "T" in window:
        yield tuple(datetime.fromisoformat(text) for text in window.split("/"))
        return
    if "/" in window:
        (from_month, from_day), (to_month, to_day) = (map(int, text.split("-")) for text in window.split("/"))
        for year in range(first.year - 1, last.year + 1):
            to_year = year + ((to_month, to_day) < (from_month, from_day))
            begin = date(year, from_month, min(from_day, monthrange(year, from_month)[1]))
            end = date(to_year, to_month, min(to_day, monthrange(to_year, to_month)[1])) + DAY
            yield datetime.combine(begin, time()), datetime.combine(end, time())
        return
    names, times = window.split(" ")
    begin, end = map(clock, times.split("-"))
    chosen = set(range(7)) if names == "daily" else set()
    for part in names.split(",") if not chosen else []:
        start, _, stop = part.partition("-")
        index = WEEK.index(start)
        while index % 7 != WEEK.index(stop or start):
            chosen.add(index % 7)
            index += 1
        chosen.add(index % 7)
    for day in days(first, last):
        if day.weekday() in chosen:
            yield datetime.combine(day, begin), datetime.combine(day + DAY * (end <= begin), end)


def union(windows, zone, first, last):
    """Disjoint intervals of instants, in order."""
    every = ((instant(zone, begin), instant(zone, end)) for window in windows for begin, end in spans(window, zone, first, last))
    merged = []
    for begin, end in sorted(pair for pair in every if pair[0] < pair[1]):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def without(open_, closed):
    left, number = [], 0
    for begin, end in open_:
        while number < len(closed) and closed[number][1] <= begin:
            number += 1
        ahead = number
        while ahead < len(closed) and closed[ahead][0] < end:
            if begin < closed[ahead][0]:
                left.append([begin, closed[ahead][0]])
            begin = max(begin, closed[ahead][1])
            ahead += 1
        if begin < end:
            left.append([begin, end])
    return left


def jitter(key, planned, room):
    text = uuid.UUID(key).bytes + (planned * 1_000_000).to_bytes(8, "big", signed=True)
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % room


def year(policy):
    schedule, start, until = policy["schedule"], policy["anchor"], policy["until"]
    zone = ZoneInfo(schedule["zone"])
    first, last = (datetime.fromtimestamp(at, zone).date() for at in (start - 3 * 86400, until + 410 * 86400))
    trigger = schedule["trigger"]
    if "every" in trigger:
        candidates = by_period(trigger["every"]["period"], trigger["every"].get("at"), zone, start, until)
    else:
        candidates = by_cron(trigger["cron"]["expression"], zone, first, (date.fromtimestamp(until) + 3 * DAY))
    candidates = sorted(set(candidates))
    always = [[start - 86400, until + 420 * 86400]]
    maintenance = union(schedule["maintenance"], zone, first, last) if schedule["maintenance"] else always
    is_open = without(maintenance, union(schedule["blackouts"], zone, first, last))
    ends = [end for _, end in is_open]
    dates, rotated = [], start
    while True:
        next_ = bisect_right(candidates, rotated)
        if next_ == len(candidates) or candidates[next_] > until:
            return dates
        planned = candidates[next_]
        begin, end = is_open[bisect_right(ends, planned)]
        at = max(begin, planned)
        if schedule["jitter_seconds"]:
            at += jitter(policy["key"], planned, min(schedule["jitter_seconds"], end - at))
        dates.append([planned, at])
        rotated = at


for line in sys.stdin:
    print(json.dumps(year(json.loads(line))), flush=False)
