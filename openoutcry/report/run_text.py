"""The result of a run on the terminal: tables and lines that a stranger reads."""

from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openoutcry.report.quantity import duration

PERCENTILES = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))


def stage_table(
    stages: list[dict[str, Any]],
    title: str,
    columns: tuple[tuple[str, str], ...] = PERCENTILES,
) -> Table:
    """One row a stage, in the data's order; ``columns`` are (key, heading).  80 characters hold
    every figure; where there are fewer, the spans are wrapped."""
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("stage", no_wrap=True)
    table.add_column("span")
    for _, label in columns:
        table.add_column(label, justify="right", no_wrap=True)
    for stage in stages:
        if stage["name"] == "release":
            table.add_section()
        values = [duration(stage[key]) if stage["count"] else "–" for key, _ in columns]
        table.add_row(stage["name"], stage["span"], *values)
    return table


def print_result(console: Console, result: dict[str, Any]) -> None:
    """The result of a run as a stranger reads it: what went through, how long it took, what it
    proves."""
    source = result["source"]

    def line(text: str, markup: bool = True) -> None:
        console.print(text, markup=markup, soft_wrap=True, highlight=False)

    line("")
    line(
        f"[bold]{result['commands']:,}[/] commands from {source['name']} in "
        f"[bold]{result['seconds']:.3f} s[/] ({result['commands_per_s']:,.0f}/s): "
        f"{result['events']:,} events, {result['trades']:,} trades, "
        f"{result['open_orders']:,} orders left in the book"
    )
    for group in result["groups"]:
        core = "any core" if group["core"] is None else f"core {group['core']}"
        line(f"  process {group['process']}: {' + '.join(group['stages'])} ({core})")
    console.print(stage_table(result["stages"], _pace(result)))
    beside = "the journal runs in parallel with the matcher" if result["journal"] else "no journal"
    line(f"  sent: intended send time. The five without journal add up to whole; {beside}.")
    medium = (result["journal"] or {}).get("medium", "")
    line(
        f"durability {result['durability']}: {DURABILITY_TEXT[result['durability']]}"
        + (f"; the journal is on {medium}" if medium else "")
    )
    if result["durability"] in ("durable", "replicated"):
        policy = result["policy"]
        line(f"policy {policy['name']}: an event leaves once its command is {policy['text']}")
    for name, kinds in (("events", result["event_kinds"]), ("rejects", result["rejects"])):
        if kinds:
            line(f"{name}: " + ", ".join(f"{k} {v:,}" for k, v in kinds.items()))
    if source["account"]:
        account = ", ".join(f"{k} {v:,}" for k, v in source["account"].items() if v)
        line(f"source: {account}", markup=False)
    if result["interrupted"]:
        of_expected = f" of {result['expected']:,}" if result["expected"] else ""
        line(f"[bold]interrupted[/]: {result['commands']:,}{of_expected} commands")
    for restart in result["restarts"]:
        line(
            f"restart: {restart['stage']} (pid {restart['pid']}) {restart['why']} "
            f"at {restart['at_s']:.3f} s"
        )
    for stall in result["stalls"]:
        ended = "restarted" if stall["killed"] else "continued"
        line(
            f"stall: {stall['stage']} (pid {stall['pid']}) made no progress for "
            f"{stall['seconds']:.1f} s at {stall['at_s']:.3f} s ({stall['state']}): {ended}"
        )
    line(f"time stamps: {clock_text(result['clock'])}")
    line(f"state hash {result['state_hash']}  event hash {result['event_hash']}")
    lost = f"lost {result['lost']:,}, duplicated {result['duplicated']:,}"
    line(f"[bold]{lost}[/]")
    _print_journal(line, result)


def clock_text(clock: dict[str, Any]) -> str:
    """Return which clock stamped, and how wrong it may be."""
    who = f"the clock daemon ({clock['source']}, {clock['state'].replace('_', ' ')})"
    if clock["page"] is None:
        who = f"the kernel, {clock['state'].replace('_', ' ')}; no clock daemon runs"
    bound = duration(clock["bound_ns"])
    return f"by {clock['stamps']}; the host's clock is within {bound} of UTC, says {who}"


def _pace(result: dict[str, Any]) -> str:
    if result["rate"]:
        return f"Latency by stage, offered at {result['rate']:,} commands/s"
    return "Latency by stage, as fast as possible (the rings are full: this is queueing time)"


DURABILITY_TEXT = {
    "none": "memory only; what was acknowledged is lost with the power",
    "async": "journaled in parallel; an acknowledgement does not wait for the disk",
    "durable": "no event leaves before its command is on disk (fdatasync)",
    "replicated": "the journal is published to other machines as it is written",
}


def _print_journal(line: Callable[..., None], result: dict[str, Any]) -> None:
    journal, replayed = result["journal"], result["replay"]
    if not journal:
        return
    where = journal["path"] or "temporary, removed; keep it with --journal DIR"
    line(
        f"journal: {journal['bytes']:,} bytes in {journal['blocks']:,} blocks ({where})",
        markup=False,
    )
    if replayed is None and result["interrupted"]:
        line("replay: left out because the run was stopped; `outcry replay DIR` proves a kept one")
    if replayed:
        verdict = "[green]equal[/]" if replayed["equal"] else "[red]DIFFERENT[/]"
        line(
            f"replay: {replayed['commands']:,} commands in {replayed['seconds']:.2f} s, "
            f"state and events {verdict}"
        )
