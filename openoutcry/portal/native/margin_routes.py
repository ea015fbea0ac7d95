"""The routes of a user's scenario margin: what it is made of, what an order would need, and what
positions were paid in funding."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound, TooMany
from openoutcry.portal.native.callers import Asking, Callers
from openoutcry.portal.portfolio.desk import Desk
from openoutcry.portal.trading.instruments import text_of, underlying_decimals
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.venue.margin_view import MarginView
from openoutcry.wire.decimals import AmountError, units_of
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.load_limits import Turns, TurnsError

Made = TypeVar("Made")
TAGS: list[Any] = ["portfolio"]
MAX_LOTS = 1 << 40
"""Of a hypothetical order."""
MILLION = 1_000_000
WAITING, PAUSES = 4, 4
"""Views of one participant's margin that wait, further ones are refused; and how many times as long
as one took the next one is waited for."""


class Views:
    """Makes views of margins, which take long, beside the loop and without the reader's state; one
    participant's one after the other, in a fifth of the time of a processor."""

    def __init__(self) -> None:
        self._turns = Turns(1, 1, WAITING)
        self._threads = ThreadPoolExecutor(1, "margin")

    async def made(self, participant: int, take: Callable[[], Callable[[], Made]]) -> Made:
        """``take``: takes what a view is made of, and returns what makes it.  Raises
        :class:`TooMany`."""
        loop = asyncio.get_running_loop()
        try:
            async with self._turns.turn(f"participant {participant}") as turn:
                made, took_s = await loop.run_in_executor(self._threads, _timed, take())
                turn.pause_s = PAUSES * took_s
                return made
        except TurnsError as error:
            raise TooMany(str(error), retry_after_s=math.ceil(error.wait_s)) from None


def _timed(make: Callable[[], Made]) -> tuple[Made, float]:
    begun_s = time.thread_time()
    made = make()
    return made, time.thread_time() - begun_s


@dataclass
class NativeMargin:
    """Parts of the routes."""

    callers: Callers
    mirror: Mirror
    books: Desk
    views: Views = field(default_factory=Views)

    @property
    def is_offered(self) -> bool:
        """Return whether the venue has scenario margin."""
        return self.mirror.file.risk.margin_file is not None

    def asset_of(self, symbol: str) -> str:
        """The asset that a contract is paid in."""
        return self.mirror.file.risk.contracts[symbol].contract.asset

    def amount(self, symbol: str, units: int) -> str:
        """Money of a contract as decimal text."""
        return text_of(units, self.mirror.file.risk.money.assets[self.asset_of(symbol)])

    def greek(self, symbol: str, units: float) -> str:
        """A view's amount of a contract's money, nine digits of it as decimal text."""
        decimals = self.mirror.file.risk.money.assets[self.asset_of(symbol)]
        return format(Decimal(f"{units:.9g}").scaleb(-decimals).normalize(), "f")

    def price(self, symbol: str, ticks: int) -> str:
        """A contract's price as decimal text."""
        return text_of(ticks, self.decimals(symbol))

    def decimals(self, symbol: str) -> int:
        """Decimals of a contract's price."""
        return self.mirror.file.sessions.price_decimals[symbol]

    async def margin(self, participant: int, symbol: str, lots: int, price: str) -> models.Margin:
        """Return what the margin is made of now; with a symbol also what an order would need.

        Raises :class:`NotFound` for a venue without scenario margin, :class:`InvalidRequest`
        for an order that cannot be, and :class:`TooMany`."""
        if not self.is_offered:
            raise NotFound("this venue has no scenario margin")
        ticks = None
        if abs(lots) > MAX_LOTS:
            raise InvalidRequest(f"lots: {MAX_LOTS} at most")
        if price and symbol:
            try:
                ticks = units_of(price, self.decimals(symbol))
            except AmountError as error:
                raise InvalidRequest(f"price: {error}") from None
        order = (symbol, lots) if symbol else None
        take = partial(self._taken, participant, order, ticks)
        return self._shown(*await self.views.made(participant, take))

    def _taken(
        self, participant: int, order: tuple[str, int] | None, ticks: int | None
    ) -> Callable[[], tuple[dict[str, Any], list[str]]]:
        file = self.mirror.file
        with self.mirror.held() as state:
            if state is None:
                raise NotFound("this venue has no scenario margin")
            shown = MarginView(file.risk, list(file.symbols), state.view)
            try:
                make = shown.taken(participant, order, ticks)
            except OutcryError as error:
                raise InvalidRequest(str(error)) from None
        return lambda: (make(), shown.symbols)

    def _shown(self, found: dict[str, Any], symbols: list[str]) -> models.Margin:
        first = symbols[0]  # all are paid in the same money

        def money(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
            return {name: self.amount(first, row[name]) for name in names}

        asked = found["what_if"]
        what_if = asked and models.MarginOfOrder(asked["accepted"], **money(asked, OF_ORDER))
        positions = [
            models.ContractPosition(
                symbol,
                self.mirror.file.risk.contracts[symbol].contract.underlying,
                row["lots"],
                self.price(symbol, row["mark"]),
                self.price(symbol, row["index"]) if row["index"] else None,
                row.get("funding_period"),
                row.get("funding_rate"),
                row["takeover_place"],
                row["takeover_of"],
            )
            for symbol, row in found["positions"].items()
        ]
        return models.Margin(
            self.asset_of(first),
            found["is_limited"],
            **money(found, TOTALS),
            underlyings=self._underlyings(found),
            positions=positions,
            what_if=what_if,
        )

    def _underlyings(self, found: dict[str, Any]) -> list[models.MarginOfUnderlying]:
        contracts, rows = self.mirror.file.risk.contracts, []
        for name, part in found["commodities"].items():
            symbol = next(s for s, one in contracts.items() if one.contract.underlying == name)
            ends, greeks = found["liquidation"].get(name, {}), found["greeks"].get(name, {})
            decimals = underlying_decimals(self.mirror.file, name)
            below, above = (
                None if ends.get(side) is None else text_of(ends[side], decimals)
                for side in ("below", "above")
            )
            rows.append(
                models.MarginOfUnderlying(
                    name,
                    **{one: self.amount(symbol, part[one]) for one in PARTS},
                    active=part["active"] + 1,
                    scenarios=[self.amount(symbol, loss) for loss in part["scenarios"]],
                    liquidated_below=below,
                    liquidated_above=above,
                    greeks={one: self.greek(symbol, value) for one, value in greeks.items()},
                )
            )
        return rows

    async def funding(self, asking: Asking) -> list[models.FundingRow]:
        """Return what the participant's positions were paid, the newest first.

        Raises :class:`BooksError` if the books do not answer."""
        answer = await self.books.ask(asking.user_id, ask="funding", participant=asking.participant)
        return [
            models.FundingRow(
                row["time_ns"] // MILLION,
                row["seq"],
                row["symbol"],
                row["lots"],
                self.price(row["symbol"], row["mark"]),
                self.asset_of(row["symbol"]),
                self.amount(row["symbol"], row["paid"]),
            )
            for row in answer["rows"]
        ]


TOTALS = ("equity", "maintenance", "initial", "with_orders", "reserved")
PARTS = ("scan", "intra", "credit", "short_minimum", "addon", "maintenance", "initial")
OF_ORDER = ("needed", "initial_with_orders", "loss_at_once", "maintenance_if_filled")


def add_margin(app: Any, native: NativeMargin) -> None:
    """Add every route to an application of FastAPI."""
    _add(app, native, native.callers.parameter())


def _add(app: Any, native: NativeMargin, asking_type: Any) -> None:
    @app.get("/v1/margin", response_model=models.Margin, tags=TAGS)
    async def margin(asking: asking_type, symbol: str = "", lots: int = 0, price: str = "") -> Any:
        asking.require_participant()
        return await native.margin(asking.participant, symbol, lots, price)

    @app.get("/v1/margin/funding", response_model=list[models.FundingRow], tags=TAGS)
    async def funding(asking: asking_type) -> Any:
        asking.require_participant()
        return await native.funding(asking)
