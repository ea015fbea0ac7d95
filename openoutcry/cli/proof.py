"""``outcry proof``: show each member that its balance is in what the venue says it owes."""

import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openoutcry.cli.options import (
    AmountCommand,
    PathArgument,
    Whole,
    as_json_option,
    scales_of,
    units_typed,
)
from openoutcry.wire.decimals import amount_words

if TYPE_CHECKING:
    from openoutcry.ledger.proof.statement import Statement

KEY = click.option(
    "--key", type=PathArgument, required=True, help="File with the venue's secret key."
)
CHALLENGE = "--challenge"


@click.group()
def proof() -> None:
    """Prove what a venue owes: a Merkle sum tree for its members.

    Each member verifies its proof offline.

    \b
    outcry proof key venue.key
    outcry proof make balances.csv --key venue.key --as-of 1000 --out proofs
    outcry proof verify proofs/members/alice.json --statement proofs/statement.json \\
        --public-key HEX --member alice
    """


@proof.command()
@click.argument("file", type=PathArgument)
@as_json_option
def key(file: Path, as_json: bool) -> None:
    """Generate the venue's secret key; print the public one."""
    from openoutcry.ledger.proof import files
    from openoutcry.ledger.proof.statement import public_key_of

    files.write_key(file)
    public = public_key_of(files.read_key(file)[0]).hex()
    click.echo(json.dumps({"public_key": public}) if as_json else public)


@proof.command()
@click.argument("source", type=PathArgument)
@KEY
@click.option(
    "--as-of",
    "as_of_seq",
    type=Whole(0, 2**63 - 1),
    help="Command after which the balances are taken [of a journal: its end].",
)
@click.option(
    "--decimals",
    "scales",
    multiple=True,
    metavar="ASSET=N",
    help="Decimals of an asset in a CSV file; name all or none. A journal knows its own.",
)
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    help="When this was owed [of a journal: the time of that command; of a file: now].",
)
@click.option("--out", "folder", type=PathArgument, required=True, help="Folder to create.")
@as_json_option
def make(
    source: Path,
    key: Path,
    as_of_seq: int | None,
    scales: tuple[str, ...],
    moment: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Write the signed statement and a proof for each member.

    The balances come from a journal, or from a CSV file with the columns
    member,asset,balance_units. No balance in a file may be negative. Of a journal, a participant's
    debt in an asset counts as 0. Custody's proof of reserves needs a statement with decimals and
    a time.
    """
    from openoutcry.cli.audit_answers import moment_ns
    from openoutcry.ledger.proof.files import read_balances
    from openoutcry.ledger.proof.make import make_proofs

    debts, at_ns = 0, moment_ns(moment) if moment else 0
    if source.is_dir():
        from openoutcry.ledger.ledger_state import at
        from openoutcry.ledger.proof.journal import balances_in, decimals_in

        if scales:
            raise click.UsageError("--decimals is for a CSV file: a journal knows its own")
        state = at(source, as_of_seq)
        seq, assets, balances, debts = balances_in(state, source)
        decimals, now_ns = decimals_in(state, assets), state.books.now_ns
        if moment and at_ns < now_ns:
            raise click.UsageError(f"--at {moment} is before command {seq}: see --as-of")
        at_ns = at_ns or now_ns
    elif as_of_seq is None:
        raise click.UsageError("--as-of is required: a file of balances does not name its command")
    else:
        named = scales_of(scales)
        seq, (assets, balances) = as_of_seq, read_balances(source, named)
        decimals = _decimals(named, assets)
        at_ns = at_ns or (time.time_ns() if decimals else 0)
    statement = make_proofs(key, seq, assets, balances, folder, decimals, at_ns)
    sums = dict(zip(statement.assets, statement.sums, strict=True))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "root": statement.root_hash.hex(),
                    "as_of_seq": seq,
                    "members": statement.member_count,
                    "sums": sums,
                    "debts_as_0": debts,
                }
            )
        )
        return
    click.echo(f"{folder}: {statement.member_count:,} members, root {statement.root_hash.hex()}")
    for asset, units in sums.items():
        click.echo(f"  {amount_words(units, asset, _scales_of(statement), ',')} owed")
    if debts:
        click.echo(f"  {debts:,} debts to the venue count as 0")


def _decimals(named: dict[str, int], assets: tuple[str, ...]) -> tuple[int, ...]:
    """Decimals in the order of the assets; none if no option was given."""
    if named and sorted(named) != sorted(assets):
        raise click.UsageError(f"--decimals: name each of {', '.join(assets)} once, or none")
    return tuple(named[asset] for asset in assets) if named else ()


@proof.command()
def challenge() -> None:
    """Generate 32 random bytes for the venue to sign."""
    click.echo(secrets.token_hex(32))


@proof.command()
@click.argument("statement", type=PathArgument)
@KEY
@click.option(CHALLENGE, "text", required=True, help="The member's 32 bytes, in hexadecimal.")
@click.option("--out", type=PathArgument, required=True, help="File to write.")
def answer(statement: Path, key: Path, text: str, out: Path) -> None:
    """Sign a statement again, together with a member's challenge."""
    from openoutcry.ledger.proof import files
    from openoutcry.ledger.proof.statement import check_signature, public_key_of, signed

    stated, public, signature, before = files.read_statement(statement)
    signing, _ = files.read_key(key)
    check_signature(stated, public_key_of(signing), signature, before)
    challenge_bytes = files.from_hex(text, CHALLENGE, 32)
    document = files.statement_document(
        stated, public, signed(stated, signing, challenge_bytes), challenge_bytes
    )
    with out.open("x") as file:
        file.write(json.dumps(document, indent=1) + "\n")


@proof.command(cls=AmountCommand)
@click.argument("inclusion", type=PathArgument)
@click.option(
    "--statement", type=PathArgument, required=True, help="The statement that the venue published."
)
@click.option(
    "--public-key",
    "public",
    required=True,
    metavar="HEX",
    help="The venue's public key, from a source other than the statement.",
)
@click.option("--member", required=True, help="Member of the proof.")
@click.option(
    "--balance",
    "balances",
    multiple=True,
    metavar="ASSET=AMOUNT",
    help="A balance that the member expects. Repeatable.",
)
@click.option(CHALLENGE, "text", help="The 32 bytes that the venue must have signed.")
@as_json_option
def verify(
    inclusion: Path,
    statement: Path,
    public: str,
    member: str,
    balances: tuple[str, ...],
    text: str | None,
    as_json: bool,
) -> None:
    """Verify a member's proof, the signature and the challenge.

    Exit status 1 if one of them fails."""
    from openoutcry.ledger.proof import files
    from openoutcry.ledger.proof.statement import check_own, check_signature
    from openoutcry.venue.calendar import utc_text
    from openoutcry.wire.errors import ProofError

    stated, _, signature, challenged = files.read_statement(statement)
    known = dict(_balance(text, _scales_of(stated)) for text in balances)
    own = files.read_inclusion(inclusion)
    if text is not None and files.from_hex(text, CHALLENGE, 32) != challenged:
        raise ProofError(f"{statement}: was signed with another challenge or with none")
    check_signature(stated, files.from_hex(public, "--public-key", 32), signature, challenged)
    check_own(stated, own, member, known)
    proven = dict(zip(stated.assets, own.balances, strict=True))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "member": member,
                    "as_of_seq": stated.as_of_seq,
                    "balances": proven,
                    "challenged": bool(challenged),
                }
                | ({"as_of_ns": stated.as_of_ns} if stated.as_of_ns else {})
            )
        )
        return
    when = f", {utc_text(stated.as_of_ns)}" if stated.as_of_ns else ", of no stated time"
    click.echo(
        f"{member} is in the root {stated.root_hash.hex()} as of {stated.as_of_seq:,}{when}:"
    )
    for asset, units in proven.items():
        text = amount_words(units, asset, _scales_of(stated), ",")
        click.echo(f"  {text}" + ("" if asset in known else " (compare it yourself)"))


def _scales_of(statement: "Statement") -> dict[str, int]:
    """Return the decimals that a statement says, by asset."""
    return dict(zip(statement.assets, statement.decimals, strict=False))


def _balance(text: str, scales: dict[str, int]) -> tuple[str, int]:
    asset, _, amount = text.rpartition("=")
    if not asset:
        raise click.UsageError(f"{text!r} is not ASSET=AMOUNT")
    return asset, units_typed(amount, asset, scales.get(asset, 0))
