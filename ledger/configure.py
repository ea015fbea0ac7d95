"""What the ledger goes by, changed by sequenced commands: money, quotes, fee schedules.

The core has let each through; what contradicts the books changes nothing and is remarked.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

import openoutcry.ledger.layout as lay
from openoutcry.replay.projections import Setting

if TYPE_CHECKING:
    from openoutcry.ledger.books import Books


NEVER = 2**63 - 1
"""A tier from this volume on is none."""


def name_monies(books: "Books") -> None:
    """Into the header, for the kernel."""
    names = np.zeros(lay.MONEY_SLOTS, "S8")
    names[: len(books.monies)] = [name.encode() for name, _ in books.monies]
    first = lay.MONEY_NAMES // 8
    books.header[first : first + lay.MONEY_SLOTS] = names.view(np.int64)


def apply(books: "Books", command: Any, event_seq: int) -> None:
    """Follow a command (ORDER_DTYPE) that the core has let through by the event ``event_seq``."""
    what = Setting(int(command["order_type"]))
    refusal = {
        Setting.LEDGER_TIER: _tier,
        Setting.LEDGER_MINIMUM: _minimum,
        Setting.LEDGER_FEES: _fees,
        Setting.LEDGER_ASSET: _asset,
        Setting.LEDGER_QUOTE: _quote,
    }[what](books, command)
    if refusal:
        books.remarks.append((event_seq, f"{what.name}: {refusal}"))


MOST_PURPOSES = 255


def asset_of(command: Any) -> str:
    """Which money a command names; nothing: none."""
    word = int(command["price_ticks"])
    name = np.array([word], np.int64).view("S8")[0] if word > MOST_PURPOSES else command["symbol"]
    return bytes(name).decode("ascii", "replace")


def remark_deposit(books: "Books", command: Any, event_seq: int) -> None:
    """A deposit in money that was never declared stands in suspense, and that is told."""
    name = asset_of(command)
    names = [known for known, _ in books.monies]
    if name and name not in names:
        amount, who = int(command["aux"]), int(command["qty_lots"])
        text = f"DEPOSIT of {amount} to participant {who}: there is no money {name!r}: known are "
        text += f"{', '.join(names)}; it stands in {names[0]} against suspense"
        books.remarks.append((event_seq, text))


def _tier(books: "Books", c: Any) -> str:
    schedule, tier = divmod(int(c["qty_lots"]), 16)
    aux, at = int(c["aux"]), 1 + tier * lay.TIER_WORDS
    maker = (aux & 0xFFFFFFFF) - ((aux & 0x80000000) << 1)
    begin = int(c["price_ticks"])
    unused = begin == NEVER
    books.schedules[schedule, at : at + 3] = lay.UNUSED_TIER if unused else begin, maker, aux >> 32
    return ""


def _minimum(books: "Books", c: Any) -> str:
    books.schedules[int(c["qty_lots"]), 0] = int(c["aux"])
    return ""


def _fees(books: "Books", c: Any) -> str:
    who, number = int(c["qty_lots"]), int(c["aux"]) + 1
    symbol = bytes(c["symbol"]).decode()
    if who >= 0:
        books.grow(who + 1)
    index = books.symbols.index(symbol) if symbol else -1
    if who < 0 and index < 0:
        books.header[lay.SCHEDULE_OF_ALL // 8] = number
        if not number:
            # Nobody pays by any: what a venue file begins with.
            books.instruments[:, lay.INSTRUMENT_SCHEDULE // 8] = 0
            books.participants[:, lay.PARTICIPANT_SCHEDULE // 8] = 0
            books.cells[:, lay.CELL_SCHEDULE // 8] = 0
    elif who < 0:
        books.instruments[index, lay.INSTRUMENT_SCHEDULE // 8] = number
    elif index < 0:
        books.participants[who, lay.PARTICIPANT_SCHEDULE // 8] = number
    else:
        books.cells[who * books.count + index, lay.CELL_SCHEDULE // 8] = number
    return ""


def _asset(books: "Books", c: Any) -> str:
    """Money that the ledger does not know yet; the first takes the place of the nameless CASH."""
    name, decimals = asset_of(c), int(c["aux"])
    known = dict(books.monies)
    if name in known:
        same = known[name] == decimals
        return "" if same else f"scale mismatch: {name} has {known[name]} decimals, not {decimals}"
    slots = lay.MONEY_SLOTS + books.count
    untouched = not books.balances.reshape(-1, slots, 4, 2)[:, 0].any()
    if [*known] == ["CASH"] and untouched:
        books.monies[0] = (name, decimals)
    elif len(books.monies) == lay.MONEY_SLOTS:
        return f"{name}: there are {lay.MONEY_SLOTS} kinds of money already"
    else:
        books.monies.append((name, decimals))
    name_monies(books)
    return ""


def _quote(books: "Books", c: Any) -> str:
    symbol = bytes(c["symbol"]).decode()
    name = asset_of(c)
    names = [known for known, _ in books.monies]
    if name not in names:
        return f"{symbol}: there is no money {name!r}: known are {', '.join(names)}"
    slot, decimals = names.index(name), int(c["aux"])
    if decimals != books.monies[slot][1]:
        return (
            f"scale mismatch: amounts of {symbol} have {decimals} decimals, {name} has "
            f"{books.monies[slot][1]}"
        )
    row = books.instruments[books.symbols.index(symbol)]
    if row[lay.TOUCHED // 8] and row[lay.QUOTE // 8] != slot:
        return f"{symbol} was traded or held in {names[int(row[lay.QUOTE // 8])]} already"
    row[lay.QUOTE // 8] = slot
    return ""
