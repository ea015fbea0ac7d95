"""``outcry audit``: the audit trail of a journal: made, verified, asked, reported."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.audit_answers import answer_options, moment_ns, show_answer
from openoutcry.cli.audit_report import report
from openoutcry.cli.options import Count, PathArgument, Whole, as_json_option

journal_argument = click.argument("journal", type=PathArgument)
trail_option = click.option(
    "--trail", "folder", type=PathArgument, help="Folder of the trail [JOURNAL/audit]."
)


@click.group()
def audit() -> None:
    """Build and query the audit trail; write regulators' reports.

    \b
    outcry audit build JOURNAL
    outcry audit verify JOURNAL
    outcry audit order JOURNAL ORDER
    outcry audit participant JOURNAL 7 --from 2026-11-22T10:00 --to 2026-11-22T11:00
    outcry audit symbol JOURNAL GOLD --action NEW --action TRADE
    """


def _folder(journal: Path, folder: Path | None) -> Path:
    from openoutcry.surveillance.audit.build import folder_of

    return folder or folder_of(journal)


@audit.command()
@journal_argument
@trail_option
@click.option("--part-commands", type=Count, help="Commands per part of a new trail [1048576].")
@click.option("--close", is_flag=True, help="Close the last day: its parts never change again.")
@as_json_option
def build(
    journal: Path, folder: Path | None, part_commands: int | None, close: bool, as_json: bool
) -> None:
    """Extend the trail to the journal's end.

    After a stop or a crash the command continues where it stopped."""
    from openoutcry.surveillance.audit import build as making

    trail = making.build(
        journal, folder, part_commands=part_commands or making.PART_COMMANDS, close=close
    )
    if as_json:
        click.echo(json.dumps(trail))
        return
    click.echo(
        f"{trail['path']}: {trail['rows']:,} rows in {trail['parts']:,} parts, up to "
        f"command {trail['seq']:,}"
    )
    _print_heads(trail["days"])


def _print_heads(days: list[dict[str, Any]]) -> None:
    for row in days:
        state = "" if row["closed"] else "  (open: may still grow)"
        click.echo(f"{row['day']}  {row['head']}{state}")


@audit.command()
@journal_argument
@trail_option
@as_json_option
def heads(journal: Path, folder: Path | None, as_json: bool) -> None:
    """Print the head hash of each day.

    Publish it: any later change to the day changes the hash."""
    from openoutcry.surveillance.audit import chain

    days = chain.heads(chain.read_chain(_folder(journal, folder)))
    if as_json:
        click.echo(json.dumps(days))
        return
    _print_heads(days)


def _published(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for text, (day, _, head) in zip(texts, pairs, strict=True):
        if not day or len(head) != 64:
            raise click.UsageError(
                f"--head {text}: write DAY=HASH, as `outcry audit heads` prints it"
            )
    return {day: head for day, _, head in pairs}


@audit.command()
@journal_argument
@trail_option
@click.option(
    "--head", "published", multiple=True, help="A head hash that was stored elsewhere, as DAY=HASH."
)
@click.option("--rebuild", is_flag=True, help="Rebuild the trail from the journal and compare.")
@as_json_option
def verify(
    journal: Path, folder: Path | None, published: tuple[str, ...], rebuild: bool, as_json: bool
) -> None:
    """Verify every byte of the trail.

    Exit status 1 if a byte differs from what was written."""
    from openoutcry.surveillance.audit import verify as checking

    place = _folder(journal, folder)
    outcome = checking.verify(place, _published(published))
    if rebuild and not outcome["faults"]:
        outcome["faults"] = checking.compare_with_journal(journal, place)
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        for fault in outcome["faults"]:
            click.echo(f"DAMAGED: {fault}")
        if not outcome["faults"]:
            click.echo(
                f"sound: {outcome['rows']:,} rows in {outcome['parts']:,} parts, "
                f"{outcome['bytes']:,} bytes"
            )
            _print_heads(outcome["days"])
    if outcome["faults"]:
        sys.exit(1)


@audit.command()
@journal_argument
@click.argument("order")
@click.option("--symbol", help="Instrument, if orders of several have the id.")
@trail_option
@answer_options
def order(
    journal: Path, order: str, symbol: str | None, folder: Path | None, form: str, out: Path | None
) -> None:
    """Show an order's history, by its id or UUID."""
    from openoutcry.surveillance.audit.trail import Trail

    show_answer(Trail(_folder(journal, folder)).order(order, symbol), form, out)


def _moments(begin: str | None, end: str | None) -> tuple[int, int]:
    from openoutcry.surveillance.audit.trail import NO_TIME

    return (
        NO_TIME[0] if begin is None else moment_ns(begin),
        NO_TIME[1] if end is None else moment_ns(end),
    )


from_option = click.option(
    "--from", "begin", help="Start at this time: 2026-11-22T10:00 (UTC unless it has an offset)."
)
to_option = click.option("--to", "end", help="End before this time.")


@audit.command()
@journal_argument
@click.argument("number", type=Whole(0, 65535))
@from_option
@to_option
@trail_option
@answer_options
def participant(
    journal: Path,
    number: int,
    begin: str | None,
    end: str | None,
    folder: Path | None,
    form: str,
    out: Path | None,
) -> None:
    """List a participant's actions and the events of its orders."""
    from openoutcry.surveillance.audit.trail import Trail

    trail = Trail(_folder(journal, folder))
    show_answer(trail.participant(number, *_moments(begin, end)), form, out)


@audit.command()
@journal_argument
@click.argument("symbol")
@click.option(
    "--action",
    "actions",
    multiple=True,
    default=("NEW", "TRADE"),
    show_default=True,
    help="Show events of this action. Repeatable.",
)
@from_option
@to_option
@trail_option
@answer_options
def symbol(
    journal: Path,
    symbol: str,
    actions: tuple[str, ...],
    begin: str | None,
    end: str | None,
    folder: Path | None,
    form: str,
    out: Path | None,
) -> None:
    """List the events of a symbol's orders, by action."""
    from openoutcry.journal.projections import JournalReader
    from openoutcry.surveillance.audit.trail import Trail
    from openoutcry.wire.symbols import symbols_of

    known = symbols_of(JournalReader(journal).config)
    trail = Trail(_folder(journal, folder))
    show_answer(trail.symbol(symbol, actions, *_moments(begin, end), known), form, out)


@audit.command()
@journal_argument
@click.argument("order", type=int)
@click.option("--symbol", help="Instrument, if orders of several have the id.")
@click.option(
    "--entry",
    type=Whole(1),
    help="Which order, in order of arrival, if several had the id.",
)
@as_json_option
def why(journal: Path, order: int, symbol: str | None, entry: int | None, as_json: bool) -> None:
    """Explain why an order did not trade, or only in part.

    The answer names orders ahead of it, hidden quantity and limits."""
    from openoutcry.surveillance.audit.why import why as ask

    answer = ask(journal, order, symbol, entry or 0)
    if as_json:
        click.echo(json.dumps({"cause": answer.cause, "lines": answer.lines, **answer.facts}))
        return
    for line in answer.lines:
        click.echo(line)
    click.echo(f"cause: {answer.cause}")


@audit.command()
@journal_argument
@as_json_option
def fairness(journal: Path, as_json: bool) -> None:
    """Compare arrival with processing order; report latencies.

    The report covers lanes, the speed bump and the latency of each participant. Exit status 1 if a
    command was sequenced or admitted out of turn.
    """
    from openoutcry.journal.projections import JournalReader
    from openoutcry.runtime.words import BURST
    from openoutcry.surveillance.audit.fairness import fairness as look
    from openoutcry.venue.fairness import fairness as bump_audit

    figures = look(journal, BURST)
    hooks = JournalReader(journal).config.get("hooks") or {}
    figures["speed_bump"] = bump_audit(journal) if hooks.get("delayed") else None
    bump = figures["speed_bump"] or {"out_of_turn": 0, "faults": []}
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in _fairness_lines(figures):
            click.echo(line)
    if bump["out_of_turn"] or figures["order"]["out_of_lane"] or figures["order"]["unfair"]:
        sys.exit(1)


def _fairness_lines(figures: dict[str, Any]) -> list[str]:
    order, latency, bump = figures["order"], figures["latency"], figures["speed_bump"]
    faults = [*order["faults"], *(bump["faults"] if bump else [])]
    lines = [f"command {fault['seq']:,} {fault['what']}" for fault in faults]
    lines.append(
        f"{order['commands']:,} commands: {order['overtaken']:,} overtaken, by at most "
        f"{order['overtaken_ns_max']:,} ns; {order['out_of_lane']:,} out of their lane's order; "
        f"passed by at most {order['passed_max']:,} of other lanes, {order['unfair']:,} unfairly"
    )
    if bump:
        lines.append(
            f"speed bump: {bump['delayed']:,} delayed, {bump['out_of_turn']:,} out of turn"
        )
    if latency["detectable_rank_shift"] is None:
        return [*lines, "latencies: too few commands to judge by"]
    for one in latency["different"]:
        word = "slower" if one["slower"] else "faster"
        lines.append(
            f"participant {one['participant']} is {word} than the others "
            f"(p {one['p']:.3f}, over all participants)"
        )
    lines.append(
        f"latencies of {latency['participants']:,} participants in {latency['stretches']:,} "
        f"stretches: {len(latency['different'])} different at {latency['level']:.0%}; a shift of "
        f"the mean rank by {latency['detectable_rank_shift']:.3f} would be found with "
        f"{latency['power']:.0%} probability (of 0.5; for the least active participant: "
        f"{latency['detectable_rank_shift_worst']:.3f})"
    )
    return lines


audit.add_command(report)
