"""``outcry surveillance``: abuse of the market found in a journal, as cases with their evidence."""

import json
import os
import pwd
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.options import Count, PathArgument, Whole, as_json_option, read_secret
from openoutcry.host.processes import until_stopped

if TYPE_CHECKING:
    from openoutcry.surveillance.cases import Case
    from openoutcry.surveillance.run import CaseBook

journal_argument = click.argument("journal", type=PathArgument)
settings_option = click.option(
    "--settings",
    "file",
    type=PathArgument,
    help="TOML file with related participants, linked symbols, declared client orders and "
    "parameters.",
)
every_option = click.option(
    "--every",
    type=Count,
    default=1_000_000,
    show_default=True,
    help="Write a checkpoint every N commands.",
)


@click.group()
def surveillance() -> None:
    """Detect market abuse in a journal; manage cases and evidence.

    \b
    outcry surveillance run JOURNAL
    outcry surveillance cases JOURNAL
    outcry surveillance show JOURNAL 1 --out case-1.html
    outcry surveillance close JOURNAL 1 --why "a quote refresher, by its own account"
    """


@surveillance.command()
@journal_argument
@settings_option
@every_option
@click.option("--until", "until_seq", type=Count, help="Stop after this command.")
@as_json_option
def run(journal: Path, file: Path | None, every: int, until_seq: int | None, as_json: bool) -> None:
    """Examine a journal from the last examined command to its end."""
    from openoutcry.surveillance.detect.settings import read_settings
    from openoutcry.surveillance.run import CaseBook
    from openoutcry.surveillance.run import run as run_along

    began = time.perf_counter()
    done = run_along(journal, read_settings(file), until_seq, every)
    if done.continued:
        click.echo(done.continued, err=True)
    if done.lost:
        click.echo(
            f"{done.evidence.path}: {done.lost:,} hits in the desk's record were missing and "
            "were found again",
            err=True,
        )
    findings = CaseBook.of(journal)
    spent = time.perf_counter() - began
    if as_json:
        click.echo(
            json.dumps(
                {
                    "seq": done.seq,
                    "events": done.events,
                    "hits": done.evidence.count,
                    "cases": len(findings.cases),
                    "head": done.evidence.head.hex(),
                    "seconds": spent,
                }
            )
        )
        return
    click.echo(
        f"analysed {done.events:,} events up to command {done.seq:,}: "
        f"{done.evidence.count:,} hits in {len(findings.cases):,} cases"
    )


@surveillance.command()
@journal_argument
@settings_option
@every_option
@as_json_option
def follow(journal: Path, file: Path | None, every: int, as_json: bool) -> None:
    """Follow a journal that is being written; report each hit.

    The command runs until Control-C or SIGTERM. After a stop or a crash it continues, and reports
    the same hits once.
    """
    from openoutcry.surveillance.cases import severity_of
    from openoutcry.surveillance.detect.layout import Detector
    from openoutcry.surveillance.detect.settings import read_settings
    from openoutcry.surveillance.run import follow as go_along

    def alert(hits: Any) -> None:
        for hit in hits:
            who = hit["participants"][: hit["members"]].tolist()
            name = Detector(int(hit["detector"])).name.lower()
            score = int(hit["score"])
            if as_json:
                click.echo(
                    json.dumps(
                        {
                            "hit": int(hit["number"]),
                            "detector": name,
                            "participants": who,
                            "score": score,
                            "seq": int(hit["seq"]),
                            "ts_ns": int(hit["ts_ns"]),
                            "told_ns": time.time_ns(),
                        }
                    )
                )
            else:
                click.echo(
                    f"{name} ({severity_of(score)}): participant {_names(who)}, "
                    f"command {int(hit['seq']):,}"
                )
        sys.stdout.flush()

    with until_stopped() as stopped:
        done = go_along(journal, read_settings(file), lambda: bool(stopped), alert, every)
    if done.continued:
        click.echo(done.continued, err=True)
    click.echo(f"followed up to command {done.seq:,}", err=as_json)


def _names(who: list[int]) -> str:
    return ", ".join(map(str, who))


def _row(findings: "CaseBook", case: "Case") -> dict[str, Any]:
    case_state = findings.state_of(case)
    return {**case.as_json(), "status": case_state.status, "by": case_state.who}


@surveillance.command()
@journal_argument
@click.option("--open", "only_open", is_flag=True, help="Omit closed and suppressed cases.")
@as_json_option
def cases(journal: Path, only_open: bool, as_json: bool) -> None:
    """List the cases.

    A case is one pattern of some participants in a symbol over a period."""
    from rich.console import Console

    from openoutcry.cli.columns import print_columns
    from openoutcry.surveillance.run import CaseBook

    findings = CaseBook.of(journal)
    rows = [_row(findings, case) for case in findings.cases]
    if only_open:
        rows = [row for row in rows if row["status"] not in ("closed", "suppressed")]
    if as_json:
        click.echo(json.dumps({"cases": rows}))
        return
    names = ["case", "severity", "pattern", "participants", "symbol", "from", "hits", "status"]
    texts = [
        [
            str(row["number"]),
            row["severity"],
            row["detector"],
            _names(row["participants"]),
            row["symbol"],
            utc(row["first_ns"]),
            str(row["hits"]),
            row["status"],
        ]
        for row in rows
    ]
    print_columns(Console(), names, texts, ["case", "hits"])


def utc(ts_ns: int) -> str:
    """A time as people write it, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ts_ns // 10**9))


@surveillance.command()
@journal_argument
@click.argument("case", type=Count)
@click.option("--out", type=PathArgument, help="Write a self-contained HTML page to this file.")
@click.option("--picture", type=PathArgument, help="Write only the picture to this file (SVG).")
@settings_option
@as_json_option
def show(
    journal: Path,
    case: int,
    out: Path | None,
    picture: Path | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Show a case: evidence, book, picture and history."""
    from openoutcry.surveillance.detect.settings import read_settings
    from openoutcry.surveillance.dossier import dossier
    from openoutcry.surveillance.page import case_page, picture_file
    from openoutcry.surveillance.referrals import FIRST
    from openoutcry.surveillance.run import CaseBook, write_whole
    from openoutcry.wire.errors import SurveillanceError

    findings = CaseBook.of(journal)
    of = findings.case(case)
    entries = [entry for entry in findings.entries if entry["case"] == case]
    if (out is not None or picture is not None) and of.number >= FIRST:
        raise SurveillanceError(
            f"case {case} was referred, so there is no picture of it from the journal"
        )
    if out is not None or picture is not None:
        case_dossier = dossier(journal, of, read_settings(file))
        page = case_page(case_dossier, findings.state_of(of).status, entries)
        for path, text in ((out, page), (picture, picture_file(case_dossier))):
            if path is not None:
                write_whole(path, text.encode())
        names = {"out": out, "picture": picture}
        written = {name: str(path) for name, path in names.items() if path is not None}
        click.echo(
            json.dumps(written) if as_json else f"{', '.join(written.values())}: case {case}"
        )
        return
    if as_json:
        click.echo(json.dumps({**_row(findings, of), "life": entries}))
        return
    for name, value in _row(findings, of).items():
        click.echo(f"{name}: {_names(value) if isinstance(value, list) else value}")
    for entry in entries:
        click.echo(f"{utc(entry['when_ns'])} {entry['action']} by {entry['who']}: {entry['why']}")


@surveillance.command("before")
@journal_argument
@click.argument(
    "what", type=click.Choice(["time", "halt", "funding", "settlement", "listing", "liquidation"])
)
@click.option("--symbol", default="", help="Of this instrument and those linked with it.")
@click.option("--at", "at_text", help="Newest moment until this time (ISO 8601, UTC).")
@click.option(
    "--minutes", type=Whole(1, 1_440), default=5, show_default=True, help="Minutes before it."
)
@click.option("--top", type=Count, default=20, show_default=True, help="Rows to show.")
@settings_option
@as_json_option
def who_before(
    journal: Path,
    what: str,
    symbol: str,
    at_text: str | None,
    minutes: int,
    top: int,
    file: Path | None,
    as_json: bool,
) -> None:
    """Show who traded before a halt, a funding or another moment.

    WHAT is a halt, a funding, a settlement or end of a contract, its listing, a part of a
    liquidation, or a time. The newest one counts. Each owner's lots are held against what it
    commonly trades, and its gain is by the last price of as many minutes after.
    """
    from rich.console import Console

    from openoutcry.cli.audit_answers import moment_ns
    from openoutcry.cli.columns import print_columns
    from openoutcry.surveillance.before import before
    from openoutcry.surveillance.detect.settings import read_settings

    at_ns = moment_ns(at_text) if at_text else None
    answer = before(journal, read_settings(file), what, symbol, at_ns, minutes)
    if as_json:
        click.echo(json.dumps(answer.as_json()))
        return
    command = f", command {answer.seq:,}" if answer.seq else ""
    click.echo(f"{what} at {utc(answer.ts_ns)} UTC{command}; the {minutes} minutes before it")
    for name, (was, then, later) in answer.prices.items():
        click.echo(f"{name}: last price {was}, first one after it {then}, gains by {later}")
    names = ["participants", "symbol", "bought", "sold", "took", "share", "commonly", "gain"]
    rows = [
        [
            _names(row.participants),
            row.symbol,
            str(row.bought_lots),
            str(row.sold_lots),
            str(row.took_lots),
            f"{row.share_percent} %",
            str(row.common_lots),
            str(row.gain_ticks),
        ]
        for row in answer.rows[:top]
    ]
    print_columns(Console(), names, rows, names[2:])


@surveillance.command()
@journal_argument
@click.argument("case", type=Count)
@click.option("--why", required=True, help="The reason; stored permanently.")
@click.option(
    "--as",
    "action",
    type=click.Choice(["review", "escalate", "close", "reopen"]),
    default="close",
    show_default=True,
    help="What to do with the case.",
)
@click.option("--venue", type=PathArgument, help="Venue file whose operators identify the person.")
@click.option(
    "--operator",
    help="An operator of that file; the command prompts for the password, or reads it from a pipe.",
)
@as_json_option
def close(
    journal: Path,
    case: int,
    why: str,
    action: str,
    venue: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Close a case, or review, escalate or reopen it.

    Closing takes two people: the first requests it, the second agrees. The command identifies a
    person by the system user that runs it, or by an operator of --venue with a password.
    """
    from openoutcry.surveillance.run import CaseBook

    if (venue is None) != (operator is None):
        raise click.UsageError("--venue and --operator need each other")
    findings = CaseBook.of(journal)
    who = _operator(venue, operator) if venue and operator else _user()
    case_state = findings.act(findings.case(case), action, who, why)
    if as_json:
        click.echo(json.dumps({"case": case, "status": case_state.status, "by": case_state.who}))
        return
    rest = ": another person has to agree" if case_state.status == "closing" else ""
    click.echo(f"case {case} is {case_state.status}, by {case_state.who}{rest}")


def _user() -> str:
    uid = os.getuid()
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _operator(venue: Path, name: str) -> str:
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.log import log_folder
    from openoutcry.venue.operators import Operators

    file = read_venue(venue)
    operators = Operators(file.risk.operators)
    operators.keep(log_folder(file.journal) / "codes-surveillance.json")
    code = ""
    if any(operator.totp for operator in operators.operators if operator.name == name):
        code = read_secret(f"one-time code of {name}")
    number = operators.prove(name, read_secret(f"password of {name}"), code)
    return f"operator {operators.name(number)}"


@surveillance.command()
@journal_argument
@click.option("--out", type=PathArgument, required=True, help="File to write.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="Format of the file.",
)
def export(journal: Path, out: Path, form: str) -> None:
    """Export every case with its evidence and history.

    The command verifies every hash first."""
    import io

    from openoutcry.surveillance.run import CaseBook, write_whole

    findings = CaseBook.of(journal)
    rows = [_row(findings, case) for case in findings.cases]
    if form == "json":
        text = json.dumps({"cases": rows, "life": findings.entries}, indent=1) + "\n"
    else:
        buffer = io.StringIO()
        names = list(rows[0]) if rows else ["number"]
        cells = (
            [
                " ".join(map(str, value)) if isinstance(value, list) else value
                for value in row.values()
            ]
            for row in rows
        )
        write_rows(buffer, names, cells)
        text = buffer.getvalue()
    write_whole(out, text.encode())
    click.echo(f"{out}: {len(rows):,} cases")


@surveillance.command()
@journal_argument
@click.option("--seed", type=Whole(0), default=1, show_default=True, help="Seed of the market.")
@click.option(
    "--minutes",
    type=Whole(10, 600),
    default=20,
    show_default=True,
    help="Minutes of a session.",
)
@click.option(
    "--sessions",
    type=Whole(1, 100),
    default=1,
    show_default=True,
    help="Number of sessions.",
)
@click.option(
    "--manipulators",
    default="all",
    show_default=True,
    metavar="NAMES",
    help="Manipulators, comma-separated; '': none (see docs/surveillance.md).",
)
@as_json_option
def sample(
    journal: Path, seed: int, minutes: int, sessions: int, manipulators: str, as_json: bool
) -> None:
    """Write the journal of a simulated market with manipulators.

    Next to it are labels.json (each manipulation with its agent, time and gain) and
    surveillance.toml.
    """
    from openoutcry.bench.agent_days import chosen_manipulators, write_agent_day

    market = write_agent_day(journal, seed, minutes, chosen_manipulators(manipulators), sessions)
    if as_json:
        click.echo(json.dumps({"commands": market.seq, "labels": len(market.labels)}))
        return
    click.echo(f"{journal}: {market.seq:,} commands, {len(market.labels)} acts of manipulation")
