"""The history of what perpetuals were funded at, of the file that the venue writes next to its
journal (``venue/funding_book.py``)."""

import asyncio

from openoutcry.portal.accounts.errors import Unavailable
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.venue.funding_book import FundingBook, FundingError, Rate

MILLISECOND_NS = 1_000_000


async def rates_of(
    mirror: Mirror, symbol: str, from_ms: int | None, until_ms: int | None, most: int
) -> list[Rate]:
    """Return the rates of a contract (empty: of all) in a time, ends included, in order: the first
    from ``from_ms`` on, or without it the last.  Raises :class:`Unavailable`."""
    since_ns = None if from_ms is None else from_ms * MILLISECOND_NS
    until_ns = None if until_ms is None else (until_ms + 1) * MILLISECOND_NS - 1
    book = FundingBook(mirror.file.journal)
    try:
        return await asyncio.to_thread(book.rates, symbol, since_ns, until_ns, most)
    except FundingError:
        raise Unavailable("the history of funding cannot be read") from None
