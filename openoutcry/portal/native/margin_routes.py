"""The routes of a user's scenario margin: what it is made of, what an order would need, and what
positions were paid in funding."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.native.callers import Asking, Callers
from openoutcry.portal.portfolio.desk import Desk
from openoutcry.portal.trading.instruments import text_of, underlying_decimals
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.venue.margin_view import MarginView
from openoutcry.wire.decimals import AmountError, units_of
from openoutcry.wire.errors import OutcryError

TAGS: list[Any] = ["portfolio"]
MAX_LOTS = 1 << 40
"""Of a hypothetical order."""
MILLION = 1_000_000


@dataclass
class NativeMargin:
    """Parts of the routes."""

    callers: Callers
    mirror: Mirror
    books: Desk

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

    def margin(self, participant: int, symbol: str, lots: int, price: str) -> models.Margin:
        """Return what the margin is made of now; with a symbol also what an order would need.

        Raises :class:`NotFound` for a venue without scenario margin, and :class:`InvalidRequest`
        for an order that cannot be."""
        if not self.is_offered:
            raise NotFound("this venue has no scenario margin")
        file, ticks = self.mirror.file, None
        if abs(lots) > MAX_LOTS:
            raise InvalidRequest(f"lots: {MAX_LOTS} at most")
        if price and symbol:
            try:
                ticks = units_of(price, self.decimals(symbol))
            except AmountError as error:
                raise InvalidRequest(f"price: {error}") from None
        with self.mirror.held() as state:
            if state is None:
                raise NotFound("this venue has no scenario margin")
            shown = MarginView(file.risk, list(file.symbols), state.view)
            try:
                found = shown.document(participant, (symbol, lots) if symbol else None, ticks)
            except OutcryError as error:
                raise InvalidRequest(str(error)) from None
        return self._shown(found, shown.symbols)

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
        return native.margin(asking.participant, symbol, lots, price)

    @app.get("/v1/margin/funding", response_model=list[models.FundingRow], tags=TAGS)
    async def funding(asking: asking_type) -> Any:
        asking.require_participant()
        return await native.funding(asking)
