"""``outcry venue availability``: whether customers could use a venue, second by second."""

import json
import signal
import time
from contextlib import ExitStack, suppress
from datetime import UTC
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.options import Listening, PathArgument, as_json_option

if TYPE_CHECKING:
    from openoutcry.operations.availability import AvailabilityStore, Tally

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"])
file_argument = click.argument("file", type=PathArgument, default=Path("availability.toml"))


@click.group()
def availability() -> None:
    """Measure whether customers can use a venue, and report it.

    FILE says what is looked at (docs/availability.md; default availability.toml).

    \b
    outcry venue availability watch availability.toml
    outcry venue availability show availability.toml --month 2026-11
    outcry venue availability plan availability.toml \\
        --from 2026-12-05T22:00 --to 2026-12-05T22:30 --reason "new release"
    """


@availability.command()
@file_argument
@click.option("--listen", "address", type=Listening(), help="Serve Prometheus metrics here.")
@click.option("--name", "names", multiple=True, help="Another host name for metrics. Repeatable.")
def watch(file: Path, address: tuple[str, int] | None, names: tuple[str, ...]) -> None:
    """Look at each function every second and store what was found.

    The command logs in as the customers of FILE and runs until Control-C."""
    from openoutcry.operations.availability import AvailabilityStore, Tally
    from openoutcry.operations.probes import look_until, read_settings

    settings = read_settings(file)
    probes, stop, found = settings.open(), Event(), SimpleQueue[tuple[int, int, dict[str, str]]]()
    tally = Tally(settings.functions())
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
    with ExitStack() as ends:
        store = ends.enter_context(AvailabilityStore(settings.store))
        if address is not None:
            from openoutcry.operations.scrape import serving

            url = ends.enter_context(serving(_collector(tally), address, names))
            click.echo(url, err=True)
        threads = [
            Thread(target=look_until, args=(stop, probe, lambda *row: found.put(row)), daemon=True)
            for probe in probes
        ]
        for thread in threads:
            thread.start()
        click.echo(f"{len(probes)} probes; found is kept in {settings.store}", err=True)
        while not stop.is_set() or any(thread.is_alive() for thread in threads):
            with suppress(Empty):
                _keep(store, tally, *found.get(timeout=0.2))
        while not found.empty():
            _keep(store, tally, *found.get())


def _keep(
    store: "AvailabilityStore", tally: "Tally", from_s: int, to_s: int, causes: dict[str, str]
) -> None:
    store.keep(from_s, to_s, causes)
    for function, cause in causes.items():
        spans, was = store.spans(function, from_s, to_s), tally.last.get(function)
        tally.add(function, spans)
        if was is None or was != (not cause):
            click.echo(f"{function}: {cause or 'up'}")


def _collector(tally: "Tally") -> Any:
    """Return the tally as Prometheus collects it."""
    from openoutcry.operations.metrics import Families
    from openoutcry.wire.extras import require_operations

    require_operations()

    class Collector:
        """The tally for Prometheus."""

        def collect(self, native_too: bool = False) -> Any:
            """Return its metric families."""
            families = Families(native_too)
            tally.fill(families.counter, families.gauge)
            return families.families.values()

    return Collector()


@availability.command()
@file_argument
@click.option("--from", "begin", type=MOMENT, required=True, help="Its first second (UTC).")
@click.option("--to", "end", type=MOMENT, required=True, help="The second after its last (UTC).")
@click.option("--reason", required=True, help="Why, in words for the page.")
@click.option("--function", default="", help="Only this function (default: all).")
def plan(file: Path, begin: Any, end: Any, reason: str, function: str) -> None:
    """Announce seconds in which functions may be down.

    A plan is made before it begins. Seconds of it that are down take nothing of the budget."""
    from openoutcry.operations.availability import (
        AvailabilityError,
        AvailabilityStore,
        Plan,
        utc,
    )
    from openoutcry.operations.probes import read_settings

    settings = read_settings(file)
    known = settings.functions()
    if function and function not in known:
        raise AvailabilityError(f"{file}: no probe looks at {function!r}: {', '.join(known)}")
    from_s, to_s = (int(one.replace(tzinfo=UTC).timestamp()) for one in (begin, end))
    with AvailabilityStore(settings.store) as store:
        number = store.plan(Plan(0, function, from_s, to_s, reason), int(time.time()))
    click.echo(f"plan {number}: {function or 'all'}, {utc(from_s)} to {utc(to_s)}: {reason}")


@availability.command()
@file_argument
@click.option("--month", default="", metavar="YYYY-MM", help="Which month (default: this one).")
@click.option("--page", type=PathArgument, help="Write the month as a page of HTML.")
@as_json_option
def show(file: Path, month: str, page: Path | None, as_json: bool) -> None:
    """Show a month: availability, budgets, outages by cause.

    Exit status 1 if a function has spent more than its budget."""
    from openoutcry.operations.availability import AvailabilityStore, days_of, month_of
    from openoutcry.operations.availability_page import lines, write_page
    from openoutcry.operations.probes import read_settings

    settings, now_s = read_settings(file), int(time.time())
    month = month or time.strftime("%Y-%m", time.gmtime(now_s))
    days, objectives = days_of(month, now_s), settings.functions()
    with AvailabilityStore(settings.store) as store:
        # What was looked at once and is no longer in the file is shown as well.
        names = [*objectives, *(one for one in store.functions() if one not in objectives)]
        default = settings.default_ppm
        months = [month_of(store, name, days, objectives.get(name, default)) for name in names]
    if page is not None:
        write_page(page, month, days[-1][1], months)
    if as_json:
        click.echo(json.dumps({"month": month, "functions": [one.document() for one in months]}))
    else:
        click.echo("\n".join(lines(months)))
    if any(one.seconds["down"] > one.budget_s for one in months):
        raise SystemExit(1)
