"""A result document on the terminal: its figures as a table, its details in plain lines."""

from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openoutcry.host.info import processor
from openoutcry.report.quantity import quantity, ratio
from openoutcry.report.text import beside, by_length, core_groups, knee, not_kept

MAP_CORES = 16
"""With more cores the terminal shows only groups: the table of pairs is on the page."""
CAUSES_SHOWN, INCIDENTS_SHOWN, LOST_SHOWN, FUNCTIONS_SHOWN, OFF_CORE_SHOWN = 8, 8, 5, 8, 4
MEANWHILE_SHOWN = 3

RUNG_FIGURES = (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))


def show(document: dict[str, Any]) -> None:
    """Print the document."""
    details = document.get("details") or {}
    many = document["subject"] == "cores" and len(details.get("cores", ())) > MAP_CORES
    if many:
        click.echo(
            f"{len(document['results']):,} pairs of cores: each is in --json, --report, --out"
        )
    else:
        Console().print(_table(document))
    for entry in document["missing"]:
        click.echo(f"missing: {entry['name']}: {entry['why']}")
    noisy = (document.get("noise") or {}).get("noisy_rounds_kept")
    if noisy:
        click.echo(f"noisy host: {noisy} rounds were disturbed by other machines or programs")
    if "map" in details:
        _show_cores(details, many)
    _show_pipeline(details)
    for tail in details.get("explain") or []:
        _show_tail(tail)
    if details.get("perf"):
        _show_perf(details["perf"])
    for core, causes in details.get("lost_ns_by_cause", {}).items():
        total = sum(causes.values()) or 1
        shares = [f"{cause} {ns / total:.0%}" for cause, ns in list(causes.items())[:LOST_SHOWN]]
        click.echo(f"core {core} lost its time to: {'; '.join(shares) or 'nothing'}")
    for core, rates in details.get("interrupts_per_s_by_name", {}).items():
        named = [
            f"{name} {quantity(rate, '1/s')}" for name, rate in list(rates.items())[:LOST_SHOWN]
        ]
        click.echo(f"core {core} was interrupted by: {'; '.join(named) or 'nobody'}")


def _show_pipeline(details: dict[str, Any]) -> None:
    if "compile_s" in details:
        click.echo(
            f"compiling or loading the kernels took {details['compile_s']:.1f} s, in no figure"
        )
    limit = details.get("bottleneck")
    if limit:
        rate = quantity(limit["commands_per_s"], "1/s")
        click.echo(
            f"the bottleneck is {limit['stage']} in process {limit['process']}: by its stages "
            f"alone it could do {rate}"
        )
    for name, climbs in (details.get("ladder") or {}).items():
        highest = knee(climbs[-1])
        where = (
            f"the knee is at {quantity(highest, '1/s')}" if highest else "already beyond the knee"
        )
        click.echo(f"latency against rate, durability {name}; {where}:")
        for rung in climbs[-1]:
            texts = [f"{text} {quantity(rung[key], 'ns')}" for key, text in RUNG_FIGURES]
            beyond = ", beyond the knee" if rung["beyond"] else ""
            click.echo(f"  {quantity(rung['rate'], '1/s'):>9}: {', '.join(texts)}{beyond}")


def _show_tail(tail: dict[str, Any]) -> None:
    click.echo(
        f"the slowest {tail['tail_commands']} at {tail['rate']:,}/s, durability "
        f"{tail['durability']}, from {quantity(tail['tail_from_ns'], 'ns')} on:"
    )
    if tail["watched"]:
        click.echo(f"  (the kernel was not watched: {tail['watched']})")
    if not_kept(tail):
        click.echo(f"  ({not_kept(tail)})")
    for cause in tail["causes"][:CAUSES_SHOWN]:
        click.echo(f"  {cause['share']:6.1%}  {cause['cause']} ({cause['commands']} commands)")
    for line in by_length(tail):
        click.echo(f"  {line}")
    for one in tail["incidents"][:INCIDENTS_SHOWN]:
        click.echo(
            f"  from command {one['first_seq']:,}: {one['commands']} together, up to "
            f"{quantity(one['whole_ns'], 'ns')}: {one['cause']}"
        )
    for row in tail["slowest"]:
        causes = "; ".join(f"{name} {quantity(ns, 'ns')}" for name, ns in row["causes_ns"].items())
        whole = quantity(row["whole_ns"], "ns")
        click.echo(f"  command {row['seq']:,}: {whole} in {row['slowest_stage']}: {causes}")
        known = beside(row, MEANWHILE_SHOWN)
        if known:
            click.echo(f"    {'; '.join(known)}")


def _show_perf(seen: dict[str, Any]) -> None:
    click.echo(f"perf: {seen['kind'] or 'nothing counted'}")
    for one in seen["processes"]:
        counted = ", ".join(
            f"{name} {quantity(value, 'count')}" for name, value in one["counters"].items()
        )
        click.echo(f"  {one['process']} ({', '.join(one['stages'])}): {counted}")
    for name, share in seen["functions"][:FUNCTIONS_SHOWN]:
        click.echo(f"  {share:6.1%}  {name}")
    for process, by in seen["off_cpu_ns"].items():
        longest = sorted(by.items(), key=lambda one: -one[1])[:OFF_CORE_SHOWN]
        away = "; ".join(f"{name} {quantity(ns, 'ns')}" for name, ns in longest)
        click.echo(f"  {process} was off its core for: {away or 'nothing'}")
    for note in seen["notes"]:
        click.echo(f"  {note}")


def _show_cores(details: dict[str, Any], many: bool) -> None:
    if not many:
        cores = details["cores"]
        click.echo("round trip of a cache line, ns:")
        click.echo("      " + "".join(f"{core:>7}" for core in cores))
        for core, row in zip(cores, details["map"], strict=True):
            click.echo(
                f"{core:>6}" + "".join(f"{value:>7.0f}" if value else "      ." for value in row)
            )
    for line in core_groups(details):
        click.echo(line)


def _peer_row(peer: str, theirs: dict[str, Any], unit: str) -> list[str]:
    """A peer's median, and ours / theirs with its interval in the place of the quartiles."""
    interval = ""
    if theirs["interval"]:
        interval = " - ".join(ratio(value) for value in theirs["interval"])
    times = f"ours is {ratio(theirs['ratio'])} x"
    return [f"  {peer}", quantity(theirs["median"], unit), times, interval, ""]


def _table(document: dict[str, Any]) -> Table:
    host = document["host"]
    table = Table(
        title=f"{document['subject']}: {processor(host)}; {host['cores_usable']} cores",
        title_justify="left",
        box=SIMPLE_HEAD,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    # The only one that is folded: a name on two lines can be read, a figure without its unit not.
    table.add_column("figure", overflow="fold")
    for column in ("median", "p25", "p75", "rounds"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in document["results"]:
        figures = [quantity(value, row["unit"]) for value in (row["median"], *row["spread"])]
        table.add_row(row["name"], *figures, str(row["samples"]))
        for peer, theirs in row["against"].items():
            table.add_row(*_peer_row(peer, theirs, row["unit"]))
    return table
