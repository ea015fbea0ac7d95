"""``outcry feed``: the public market data of a venue, as files and live."""

import json
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, as_json_option


@click.group()
def feed() -> None:
    """Public market data: write a journal's feed to a file.

    \b
    outcry feed write JOURNAL day.itch
    outcry feed write JOURNAL day.pcap --format pcap
    """


@feed.command()
@click.argument("journal", type=PathArgument)
@click.argument("out", type=PathArgument)
@click.option("--format", "form", type=click.Choice(["itch", "pcap"]), default="itch",
              show_default=True, help="ITCH 5.0 with lengths, or MoldUDP64.")  # fmt: skip
@click.option("--decimals", type=click.IntRange(0, 4), default=4, show_default=True,
              help="Of a tick of every instrument.")  # fmt: skip
@click.option("--venue", type=PathArgument, help="Venue file that has each instrument's decimals.")
@click.option("--mtu", type=int, default=1500, show_default=True, help="Largest frame, for pcap.")
@as_json_option
def write(
    journal: Path, out: Path, form: str, decimals: int, venue: Path | None, mtu: int, as_json: bool
) -> None:
    """Write what a journal's market told the public, byte for byte as it was told.

    Sequence numbers begin at 1 with the journal's first command; hidden quantity, participants and
    stops are never in it.
    """
    from openoutcry.market_data.files import instruments_of, write_feed

    if venue is not None:
        from openoutcry.pipeline.venue.file import read_venue

        places = dict(read_venue(venue).sessions.price_decimals)
    else:
        places = dict.fromkeys(instruments_of(journal), decimals)
    made = write_feed(journal, out, form, places, mtu)
    if as_json:
        click.echo(json.dumps(made))
    else:
        click.echo(
            f"{out}: {made['messages']:,} messages, {made['bytes']:,} bytes, "
            f"session {made['session']}"
        )
