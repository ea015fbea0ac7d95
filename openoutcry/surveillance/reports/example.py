"""An example of the file of codes, for the instruments and participants that a journal has."""

from pathlib import Path

import numpy as np

from openoutcry.journal.projections import JournalReader
from openoutcry.surveillance.reports.quotes import quotes_of
from openoutcry.surveillance.reports.reference_data import (
    CURRENCY,
    EXAMPLE,
    isin_is_right,
    lei_is_right,
)
from openoutcry.wire.symbols import symbols_of


def example_codes(journal: Path) -> str:
    """The text: codes that are formally right and belong to no firm, to be replaced before anything
    is sent."""
    reader = JournalReader(journal)
    seen: set[int] = set()
    for _, orders in reader.chunks():
        seen |= set(np.unique(orders["participant"]).tolist())
    symbols = symbols_of(reader.config)
    head, instrument, member = EXAMPLE.split("\n\n")
    parts = [
        "# Every code below is an example: replace it by the real one before anything is sent.\n"
        + head
    ]
    quotes = quotes_of(journal)
    for number, symbol in enumerate(symbols):
        text = instrument.replace("{symbol}", symbol)
        known = [name for name in quotes.get(symbol, ()) if CURRENCY.fullmatch(name)]
        if len(known) == 1:
            text = text.replace('"EUR"', f'"{known[0]}"')
        parts.append(text.replace("US0378331005", example_isin(number)))
    for who in sorted(seen - {0}):
        text = member.replace("{participant}", str(who))
        parts.append(text.replace("529900T8BM49AURSDO55", example_lei(who)).rstrip())
    return "\n\n".join(parts) + "\n"


def example_lei(number: int) -> str:
    """A LEI with a right check that belongs to no firm."""
    body = f"00EXAMPLE0{number:08d}"
    text = next(f"{body}{c:02d}" for c in range(2, 99) if lei_is_right(f"{body}{c:02d}"))
    return text


def example_isin(number: int) -> str:
    """An ISIN with a right check, of the letters that no country has (XX)."""
    body = f"XX{number:09d}"
    return next(f"{body}{c}" for c in range(10) if isin_is_right(f"{body}{c}"))
