"""What the ledger goes by, for people: fee schedules, their payers, money and its quotes."""

from decimal import Decimal
from typing import Any

import numpy as np

import openoutcry.ledger.layout as lay
from openoutcry.ledger.books import Books


def schedules(books: Books, names: list[str]) -> list[dict[str, Any]]:
    """A row for each tier in use, by schedule and volume; ``names``: those of the first numbers."""
    rows = []
    for number, words in enumerate(books.schedules.tolist()):
        tiers = words[1 : lay.COLLECTS_QUOTE // 8]
        used = sorted(
            tuple(tiers[at : at + lay.TIER_WORDS]) for at in range(0, len(tiers), lay.TIER_WORDS)
        )
        rows += [
            {
                "schedule": _named(number, names),
                "from_volume": begin,
                "maker_bps": _bps(maker),
                "taker_bps": _bps(taker),
                "minimum": words[0],
            }
            for begin, maker, taker in used
            if begin != lay.UNUSED_TIER
        ]
    return rows


def payers(books: Books, names: list[str]) -> list[dict[str, Any]]:
    """A row for each that is named, from the least special on; ``participant`` None: all,
    ``instrument`` empty: all."""
    assignments: list[tuple[int | None, str, int]] = []
    number = int(books.header[lay.SCHEDULE_OF_ALL // 8])
    assignments += [(None, "", number)] if number else []
    of_instruments = books.instruments[:, lay.INSTRUMENT_SCHEDULE // 8]
    for index in np.flatnonzero(of_instruments).tolist():
        assignments.append((None, books.symbols[index], int(of_instruments[index])))
    of_participants = books.participants[:, lay.PARTICIPANT_SCHEDULE // 8]
    for who in np.flatnonzero(of_participants).tolist():
        assignments.append((who, "", int(of_participants[who])))
    of_cells = books.cells[:, lay.CELL_SCHEDULE // 8]
    for cell in np.flatnonzero(of_cells).tolist():
        who, index = divmod(cell, books.count)
        assignments.append((who, books.symbols[index], int(of_cells[cell])))
    return [
        {"participant": who, "instrument": symbol, "schedule": _named(number - 1, names)}
        for who, symbol, number in assignments
    ]


def money(books: Books) -> list[dict[str, Any]]:
    """A row for each kind of money of margin accounts, with the instruments quoted in it.  Then one
    for each asset that has wallets, with the instruments that trade it or are paid in it."""
    quotes = books.instruments[:, lay.QUOTE // 8].tolist()
    bases = books.instruments[:, lay.BASE // 8].tolist()
    slots = [] if books.all_spot else list(range(len(books.monies)))
    slots += range(lay.MONEY_SLOTS, lay.MONEY_SLOTS + len(books.wallets))
    names = books.money_names
    return [
        {
            "asset": names[slot],
            "decimals": books.decimals(slot),
            "instruments": [
                symbol
                for index, symbol in enumerate(books.symbols)
                if quotes[index] == slot or (index in books.spot and bases[index] == slot)
            ],
        }
        for slot in slots
    ]


def _named(number: int, names: list[str]) -> str:
    return names[number] if number < len(names) else str(number)


def _bps(rate: int) -> str:
    return f"{Decimal(rate) / 100:f}"
