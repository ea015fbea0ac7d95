"""What the portal asks of a venue in a participant's name.

The answer to a request is what the mirror shows of it: an order counts once its command is
released. A broker only reports what never became a command.
"""

import hashlib
import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openoutcry.wire.enums import (
    Contingency,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.private_file import require_private

LETTERS = string.ascii_letters + string.digits


class BrokerError(OutcryError):
    """Nothing was sent: the venue is closed, or the participant has no session."""


@dataclass(frozen=True)
class NewOrder:
    """An order in the venue's own units.  ``client_id`` is its name down to the core, which accepts
    each name of a participant once a day."""

    client_id: str
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    lots: int
    price_ticks: int = 0
    trigger_ticks: int = 0
    shown_lots: int = 0
    """For an iceberg: the lots that it shows."""
    budget_tick_lots: int = 0
    """For an order for a sum of the quote asset: price ticks times lots."""
    self_trade: SelfTrade | None = None
    """None: what the session has."""
    trailing_bps: int = 0
    """For a trailing stop: its distance in basis points of the last trade."""
    trailing_ticks: int = 0
    """For a trailing stop: its distance in ticks."""
    min_lots: int = 0
    """The least that must trade on arrival, or nothing does."""
    offset_ticks: int = 0
    """For a peg: added to the price that it follows."""
    expires_ns: int = 0
    """Of a GTD order, of any type: until when, ns since the epoch, in whole milliseconds."""
    reduce_only: bool = False
    """It may only make a position smaller."""
    trigger_by: TriggerBy | None = None
    """Of a stop: the price that elects it; None: as the instrument's options say."""
    activation_ticks: int = 0
    """Of a trailing stop: the price at which it begins to trail; 0: at once."""


@dataclass(frozen=True)
class NewList:
    """Orders that act on each other.  ``client_id`` is the list's name, and another name of its
    first order: it is used up as that is."""

    client_id: str
    contingency: Contingency
    orders: tuple[NewOrder, ...]


def leg_id(participant: int, name: str, place: int) -> str:
    """Return the name of an order that has none, by its list's, and by its place there from 1."""
    digest = hashlib.blake2b(f"{participant} {name} {place}".encode(), digest_size=22).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest)


@dataclass(frozen=True)
class Refusal:
    """The session's answer to a request that became no order."""

    text: str
    is_duplicate: bool = False
    """The participant has used the client's name of the request today."""
    is_unsent: bool = False
    """The request was lost on its way: it has had no effect."""


Refused = Callable[[int, str, Refusal], None]
"""Participant, client's name of the request, why."""


class Broker(Protocol):
    """Sends in the name of any participant that the portal serves."""

    refused: Refused
    """Called with what the session refused before it became a command."""
    heard: Callable[[int], None]
    """Called with a participant to whose session the venue has said something: what it says is
    released."""

    @property
    def participants(self) -> list[int]:
        """Numbers of those that it serves, in order."""

    def serves(self, participant: int) -> bool:
        """Return whether it has a session in which it may act for the participant."""

    def session_of(self, participant: int) -> int:
        """Return the number of the session in which it acts for the participant.  One process at a
        time may have a session."""

    async def enter(self, participant: int, order: NewOrder) -> None:
        """Send an order.  Raises :class:`BrokerError` if nothing was sent."""

    async def enter_list(self, participant: int, orders: NewList) -> None:
        """Send a list, which the venue takes whole or refuses whole.  Raises
        :class:`BrokerError`."""

    async def amend(self, participant: int, client_id: str, order: NewOrder) -> None:
        """Send other terms of the order with that name: it has those of ``order`` afterwards, its
        name among them.  Raises :class:`BrokerError`."""

    async def cancel(
        self, participant: int, symbol: str, side: Side, client_id: str, request_id: str
    ) -> None:
        """Send a cancel of the order with that name.  Raises :class:`BrokerError`."""

    async def close(self) -> None:
        """Log out everywhere; orders stay."""


def read_passwords(path: Path) -> dict[str, str]:
    """The passwords and keys of the portal's sessions, by name.  Raises :class:`OutcryError`."""
    try:
        require_private(path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OutcryError(f"{path} is missing; `outcry portal init` writes it") from None
    except ValueError as error:
        raise OutcryError(f"{path}: {error}") from None
    if type(document) is not dict or any(type(one) is not str for one in document.values()):
        raise OutcryError(f"{path}: a JSON object of passwords by session is expected")
    return document
