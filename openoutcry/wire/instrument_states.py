"""The states of an instrument, which requests of the operator each of them takes, and the words of
every door for them: one table.

The core holds the state in the instrument's ``halt`` (``risk/instrument_state.py``) and refuses a
change that the table does not have.
"""

from enum import IntEnum

from openoutcry.wire.words import Table


class InstrumentState(IntEnum):
    """How far an instrument has come (``aux`` of INSTRUMENT_STATE)."""

    ANNOUNCED = 1
    """It is known, and takes no order yet."""
    PRE_OPEN = 2
    """It is listed and collects orders, until continuous trading begins for the first time."""
    TRADING = 3
    """It takes orders as its phase says."""
    SUSPENDED = 4
    """It takes no order.  What rests stays, and may be cancelled."""
    CLOSE_ONLY = 5
    """It takes orders that make a position or a holding smaller, and no others."""
    EXPIRED = 6
    """A contract whose expiry has come."""
    DELISTED = 7
    """It takes no order any more, for good, and none is open."""


REQUESTS = ("open", "suspend", "close-only", "resume", "delist")
"""What the operator asks for: a column each in :data:`STATES`."""

STATES: Table[InstrumentState] = Table(
    InstrumentState,
    """\
instrument state | open     | suspend   | close-only | resume  | delist   | feed  | FIX 326 | FIX 340 | Binance | /v1
ANNOUNCED        | PRE_OPEN | -         | -          | -       | DELISTED | -     | -       | -       | BREAK   | announced
PRE_OPEN         | -        | SUSPENDED | -          | -       | DELISTED | -     | -       | -       | -       | pre_open
TRADING          | -        | SUSPENDED | CLOSE_ONLY | -       | DELISTED | -     | -       | -       | -       | -
SUSPENDED        | -        | -         | CLOSE_ONLY | TRADING | DELISTED | HSUSP | 2       | 1       | HALT    | suspended
CLOSE_ONLY       | -        | SUSPENDED | -          | TRADING | DELISTED | TCONL | 17      | 2       | -       | close_only
EXPIRED          | -        | -         | -          | -       | DELISTED | -     | -       | -       | BREAK   | expired
DELISTED         | -        | -         | -          | -       | -        | HDLST | 18      | 3       | BREAK   | delisted""",
)
"""Under a request: the state that it leads to.  Feed: letter and reason of the trading action
(``H``), that of close-only while it trades continuously.  FIX: SecurityTradingStatus (326) and
TradSesStatus (340) by that reason.  Binance: ``status`` of exchangeInfo; ``/v1``: ``state`` of an
instrument.  Without a word the phase says it."""


def next_state(state: InstrumentState, request: str) -> InstrumentState | None:
    """Return the state to which a request leads; None if the state does not take it."""
    name = STATES.offered(request).get(state)
    return None if name is None else InstrumentState[name]


def taken_by(state: InstrumentState) -> list[str]:
    """Return the requests that a state takes."""
    return [request for request in REQUESTS if next_state(state, request) is not None]


def _next_bits(number: int) -> int:
    if number not in set(InstrumentState):
        return 0
    state = InstrumentState(number)
    following = {next_state(state, request) for request in taken_by(state)}
    return sum(1 << int(other) for other in following if other is not None)


NEXT_BITS = tuple(_next_bits(number) for number in range(max(InstrumentState) + 1))
"""For a kernel: by a state's number, the bits of the states that may follow it."""
