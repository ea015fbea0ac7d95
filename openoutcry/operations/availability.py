"""The availability ledger: for each second whether a function of the venue was there for customers.

It stores what the probes found (``probes.py``) as spans of seconds with one cause, and what the
operator has planned.  A plan is made before it begins, so that nothing becomes planned afterwards.
Seconds that no probe looked at are not measured: they are neither up nor down.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.sqlite_file import Schema, SqliteFile

TABLES = """
create table if not exists spans (
    function text not null, from_s integer not null, to_s integer not null,
    cause text not null, primary key (function, from_s)) without rowid;
create table if not exists plans (
    number integer primary key, function text not null, from_s integer not null,
    to_s integer not null, reason text not null, made_s integer not null);
"""
SCHEMA = Schema("what the venue's functions were", 0x4F4F4156, TABLES)
EVERY = ""
"""In a plan: all functions."""
UP, DOWN, PLANNED, UNMEASURED = "up", "down", "planned", "not measured"
PPM = 1_000_000
MAX_CAUSE = 200
MAX_PLAN_S = 31 * 86_400


class AvailabilityError(OutcryError):
    """A settings file, a plan or a month that cannot be; the message names it."""


@dataclass(frozen=True)
class Span:
    """Seconds ``from_s`` to ``to_s`` (exclusive) in one state; up has no cause."""

    from_s: int
    to_s: int
    state: str
    cause: str = ""

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.to_s - self.from_s


@dataclass(frozen=True)
class Plan:
    """Seconds in which a function, or every one, may be down."""

    number: int
    function: str
    from_s: int
    to_s: int
    reason: str


class AvailabilityStore(SqliteFile):
    """The ledger's file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)

    def keep(self, from_s: int, to_s: int, causes: Mapping[str, str]) -> None:
        """Store what was found over these seconds: each function's cause, "" if it was up.

        What continues the function's last span becomes part of it."""
        last = "select from_s, to_s, cause from spans where function = ? order by from_s desc"
        with self.change():
            for function, cause in causes.items():
                cause, before = cause[:MAX_CAUSE], self.row(f"{last} limit 1", function)
                begin_s = max(from_s, before["to_s"]) if before else from_s
                if begin_s >= to_s:  # the clock was set back: a second counts once
                    continue
                if before and before["to_s"] == begin_s and before["cause"] == cause:
                    query = "update spans set to_s = ? where function = ? and from_s = ?"
                    self.run(query, to_s, function, before["from_s"])
                else:
                    self.insert("spans", function=function, from_s=begin_s, to_s=to_s, cause=cause)

    def plan(self, plan: Plan, now_s: int) -> int:
        """Store a plan; returns its number.  Raises :class:`AvailabilityError` if it has begun, or
        is empty or longer than a month."""
        if plan.from_s < now_s:
            raise AvailabilityError(f"{utc(plan.from_s)} is over: a plan is made before it begins")
        if not 0 < plan.to_s - plan.from_s <= MAX_PLAN_S:
            raise AvailabilityError(
                f"{utc(plan.from_s)} to {utc(plan.to_s)} is not a second to {MAX_PLAN_S} seconds"
            )
        values = asdict(plan) | {"made_s": now_s}
        del values["number"]
        with self.change():
            return self.insert("plans", **values)

    def plans(self, from_s: int, to_s: int) -> list[Plan]:
        """Return the plans of these seconds, the first one first."""
        query = "select * from plans where to_s > ? and from_s < ? order by from_s, number"
        return [
            Plan(row["number"], row["function"], row["from_s"], row["to_s"], row["reason"])
            for row in self.rows(query, from_s, to_s)
        ]

    def functions(self) -> list[str]:
        """Return the name of each function that was ever looked at."""
        return [row[0] for row in self.rows("select distinct function from spans order by 1")]

    def spans(self, function: str, from_s: int, to_s: int) -> list[Span]:
        """Return the whole of these seconds in spans without gaps, plans included."""
        query = (
            "select from_s, to_s, cause from spans where function = ? and to_s > ? and from_s < ? "
            "order by from_s"
        )
        found = [
            Span(max(row[0], from_s), min(row[1], to_s), DOWN if row[2] else UP, row[2])
            for row in self.rows(query, function, from_s, to_s)
        ]
        plans = [p for p in self.plans(from_s, to_s) if p.function in (EVERY, function)]
        return list(with_plans(without_gaps(found, from_s, to_s), plans))


def without_gaps(found: Sequence[Span], from_s: int, to_s: int) -> Iterator[Span]:
    """Yield the spans with what lies between them as not measured."""
    for span in found:
        if span.from_s > from_s:
            yield Span(from_s, span.from_s, UNMEASURED)
        yield span
        from_s = span.to_s
    if from_s < to_s:
        yield Span(from_s, to_s, UNMEASURED)


def with_plans(spans: Iterator[Span], plans: Sequence[Plan]) -> Iterator[Span]:
    """Yield the spans, of each that is down the planned part as planned; the first plan counts."""
    for span in spans:
        ends = {end for plan in plans for end in (plan.from_s, plan.to_s)}
        cuts = sorted(end for end in ends if span.from_s < end < span.to_s)
        if span.state != DOWN:
            yield span
            continue
        for from_s, to_s in zip([span.from_s, *cuts], [*cuts, span.to_s], strict=True):
            plan = next((p for p in plans if p.from_s <= from_s and to_s <= p.to_s), None)
            cause = f"{plan.reason}: {span.cause}" if plan else span.cause
            yield Span(from_s, to_s, PLANNED if plan else DOWN, cause)


@dataclass(frozen=True)
class Month:
    """One function over some time: seconds by state, and what its objective leaves."""

    function: str
    objective_ppm: int
    seconds: Mapping[str, int]
    causes: Sequence[tuple[str, int]]
    """Unplanned causes with their seconds, the longest first."""
    outages: Sequence[Span]
    """Every span that is down, planned or not."""
    days: Sequence[Mapping[str, int]]
    """Of each day the seconds by state."""

    @property
    def budget_s(self) -> int:
        """Unplanned seconds that the objective allows over the whole time."""
        return sum(self.seconds.values()) * (PPM - self.objective_ppm) // PPM

    @property
    def available_ppm(self) -> int | None:
        """Up, of what was measured and not planned, rounded down; None: nothing was."""
        judged = self.seconds[UP] + self.seconds[DOWN]
        return self.seconds[UP] * PPM // judged if judged else None

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "function": self.function,
            "objective_ppm": self.objective_ppm,
            "available_ppm": self.available_ppm,
            "budget_s": self.budget_s,
            "seconds": dict(self.seconds),
            "causes": [{"cause": cause, "seconds": seconds} for cause, seconds in self.causes],
            "outages": [asdict(span) for span in self.outages],
        }


def month_of(
    store: AvailabilityStore, function: str, days: Sequence[tuple[int, int]], objective_ppm: int
) -> Month:
    """Judge a function over days, each from its first second to the one after its last."""
    by_day, outages, causes = [], list[Span](), Counter[str]()
    for from_s, to_s in days:
        spans, seconds = store.spans(function, from_s, to_s), dict.fromkeys(STATES, 0)
        for span in spans:
            seconds[span.state] += span.seconds
            if span.state == DOWN:
                causes[span.cause] += span.seconds
            if span.state in (DOWN, PLANNED):
                _append(outages, span)
        by_day.append(seconds)
    total = {state: sum(seconds[state] for seconds in by_day) for state in STATES}
    return Month(function, objective_ppm, total, causes.most_common(), outages, by_day)


def _append(outages: list[Span], span: Span) -> None:
    """Add a span; one that midnight has cut is one outage."""
    last = outages[-1] if outages else None
    if last and (last.to_s, last.state, last.cause) == (span.from_s, span.state, span.cause):
        outages[-1] = Span(last.from_s, span.to_s, span.state, span.cause)
    else:
        outages.append(span)


STATES = (UP, DOWN, PLANNED, UNMEASURED)


def days_of(month: str, now_s: int) -> list[tuple[int, int]]:
    """Return the days (UTC) of a month ``YYYY-MM`` up to now, each as its first second and the one
    after its last.  Raises :class:`AvailabilityError` for no month, and one that has not begun."""
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise AvailabilityError(f"{month!r} is no month, as 2026-11") from None
    following = first.replace(
        year=first.year + first.month // 12, month=first.month % 12 + 1
    ).timestamp()
    begin_s, end_s = int(first.timestamp()), min(int(following), now_s)
    if begin_s >= end_s:
        raise AvailabilityError(f"{month} has not begun")
    return [(day_s, min(day_s + 86_400, end_s)) for day_s in range(begin_s, end_s, 86_400)]


def utc(time_s: int) -> str:
    """Return a second as text."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Tally:
    """Counts of seconds for Prometheus, from the prober's start."""

    def __init__(self, objectives_ppm: Mapping[str, int]) -> None:
        self.objectives_ppm, self.seconds = objectives_ppm, Counter[tuple[str, str]]()
        self.last: dict[str, bool] = {}

    def add(self, function: str, spans: Sequence[Span]) -> None:
        """Count what was found of a function."""
        for span in spans:
            self.seconds[function, span.state] += span.seconds
            self.last[function] = span.state == UP

    def fill(self, counter: Callable[..., None], gauge: Callable[..., None]) -> None:
        """Give each value to ``counter`` and ``gauge`` (name, text, value, labels)."""
        for function, ppm in self.objectives_ppm.items():
            text = "Objective of a function, as a share of the time"
            gauge("outcry_probe_objective", text, ppm / PPM, function=function)
            for state in (UP, DOWN, PLANNED):
                text, value = "Seconds of a function, by state", self.seconds[function, state]
                counter("outcry_probe_seconds", text, value, function=function, state=state)
        for function, is_up in dict(self.last).items():
            gauge("outcry_probe_up", "Whether the last probe was good", is_up, function=function)
