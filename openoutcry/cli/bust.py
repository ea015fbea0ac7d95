"""``outcry venue bust``: a trade that should not have been is taken back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.desk import FILE_OPTION, OPERATOR_OPTION, WHY_OPTION, send_to_desk
from openoutcry.cli.options import as_json_option

if TYPE_CHECKING:
    from openoutcry.ledger.broken import Trade


@click.command("bust")
@click.argument("match", type=click.IntRange(1))
@FILE_OPTION
@OPERATOR_OPTION
@WHY_OPTION
@as_json_option
def bust(match: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Take a trade back, with its fees.

    MATCH is the trade's number, as feeds and sessions say it. The command reads the trade in the
    journal. Both sides get back what they gave, also where the proceeds are gone: what is missing
    is owed. If --operator is named, a second supervisor must send the same request.

    A trade is taken back once, on its trading day.

    \b
    outcry venue bust 4711 --operator anna --why "price of a test, entered by mistake"
    """
    from openoutcry.journal import Journal
    from openoutcry.ledger.broken import trade_of
    from openoutcry.venue.file import read_venue
    from openoutcry.wire.errors import OutcryError

    venue = read_venue(file)
    if not Journal.exists(venue.journal):
        raise OutcryError(f"{file}: this venue was never opened")
    trade = trade_of(venue.journal, match)
    day = venue.calendar.current_or_next(trade.ts_ns).day
    send_to_desk(file, request_of(trade, int(day.strftime("%Y%m%d"))), operator, as_json)


def request_of(trade: "Trade", day: int) -> dict[str, Any]:
    """The request that takes a trade back; ``day``: its trading day, YYYYMMDD."""
    from openoutcry.venue.bust_desk import BUST, reference_of
    from openoutcry.wire.enums import EventFlag
    from openoutcry.wire.notes import fee_note
    from openoutcry.wire.off_book_legs import AUCTION_BIT, MAKER_BIT

    sides: dict[str, int] = {}
    for name, side in (("buyer", trade.buyer), ("seller", trade.seller)):
        maker, auction = side.flags & EventFlag.MAKER, side.flags & EventFlag.AUCTION
        sides |= {
            name: side.participant,
            f"{name}_order": side.order_id,
            f"{name}_fee": fee_note(side.fee_units, side.fee_is_of_base),
            f"{name}_flags": (MAKER_BIT if maker else 0) | (AUCTION_BIT if auction else 0),
        }
    terms = {"match": trade.match, "instrument": trade.instrument, "day": day}
    terms |= {"lots": trade.lots, "price": trade.price_ticks}
    return {"do": BUST, "reference": reference_of(trade.match)} | terms | sides
