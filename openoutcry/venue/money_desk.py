"""What the exchange operator may ask for money's sake: fees, assets, deposits, withdrawals.

The ledger follows these commands; the core only sees that the values can be, which is seen to here
before.
"""

from collections.abc import Callable
from typing import Any

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.region import View, setting
from openoutcry.risk.spot_layout import LARGEST_TOTAL
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.fee_collection import FEES_DUE, FEES_MOVED, asset_named, reference_of
from openoutcry.venue.fee_tables import (
    MAX_DECIMALS,
    MAX_TIERS,
    NO_MINIMUM,
    MoneySpec,
    asset,
    asset_name,
    deposit,
    millionths,
    money_text,
    quote,
    tier,
)
from openoutcry.venue.wallet_desk import WALLET_REQUESTS, WalletDesk
from openoutcry.wire.asset_names import asset_word, names_by_word
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import integer

PURPOSES = {"outside": 0, "fees": 1, "clearing": 2, "suspense": 3}
"""Where a deposit comes from, or a withdrawal goes: DEPOSIT's second value."""
OWN_REQUESTS = ("fee-tier", "fee-minimum", "fee-payer", "asset", "quote", "deposit", FEES_DUE)
MONEY_REQUESTS = (*OWN_REQUESTS, *WALLET_REQUESTS)
Request = dict[str, Any]


class MoneyDesk:
    """Turns requests about money into work."""

    def __init__(self, spec: MoneySpec, symbols: list[str], view: View) -> None:
        self.spec, self.symbols, self.view = spec, symbols, view
        self._declared: dict[str, int] = {}
        self.of_wallets = WalletDesk(spec, view)
        self.leaving: dict[object, tuple[int, int]] = {}
        """Participant and amount of what goes out and is on its way to the core."""

    @property
    def assets(self) -> dict[str, int]:
        """Decimals by name, of those of the file, those declared since the venue opened, and all
        that have wallets."""
        wallets = self.view.wallets
        names = wallets.names if wallets is not None else []
        of_wallets = {name: wallets.decimals(name) for name in names} if wallets else {}
        return self.spec.assets | self._declared | of_wallets

    def text(self, units: int, asset: str = "") -> str:
        """Return units of an asset, or of the first, as decimal text with the asset's name."""
        return money_text(units, asset, self.assets)

    def work_of(self, request: Request, who: int, operator: int) -> Work:
        """``who``: the participant named, -1: none is.

        Raises :class:`DeskError` naming what cannot be.
        """
        if request["do"] in WALLET_REQUESTS:
            return self.of_wallets.work_of(request, who, operator)
        does = (
            self._tier,
            self._minimum,
            self._payer,
            self._asset,
            self._quote,
            self._deposit,
            self._fees_due,
        )
        try:
            return does[OWN_REQUESTS.index(request["do"])](request, who, operator)
        except ValueError as error:
            raise DeskError(str(error)) from None

    def _tier(self, request: Request, who: int, operator: int) -> Work:
        name = str(request.get("schedule"))
        number = self._schedule(name)
        index = _named("tier", integer(0, MAX_TIERS - 1), request.get("tier", 0))
        begin = _named("from_volume", integer(0, LARGEST), request.get("from_volume", 0))
        maker, taker = (
            _named(key, millionths, request.get(key)) for key in ("maker_bps", "taker_bps")
        )
        shown = self.text(begin, str(request.get("asset") or ""))
        done = (
            f"fee schedule {name}, tier {index}: from a 30-day volume of {shown}: the "
            f"maker pays {maker / 100:g} bps, the taker {taker / 100:g} bps"
        )
        return Work(tier(number, index, (begin, maker, taker), operator), [done])

    def _minimum(self, request: Request, who: int, operator: int) -> Work:
        name = str(request.get("schedule"))
        most = LARGEST if self.view.wallets is None else LARGEST_TOTAL
        least = _named("minimum", integer(0, most), request.get("minimum"))
        number = self._schedule(name)
        record = setting(Setting.LEDGER_MINIMUM, least, number, operator=operator)
        shown = self.text(least, str(request.get("asset") or ""))
        done = f"fee schedule {name}: the minimum fee of a fill is {shown}"
        wallets = self.view.wallets
        if wallets is None:
            return Work(record, [done])
        if least and wallets.schedule(number)[0]:
            raise DeskError(f"fee schedule {name}: {NO_MINIMUM}")

        def refused() -> str:
            return "" if wallets.schedule(number)[1] == least else f"{done}: the core rejected it"

        return Work(record, [done], refused)

    def _payer(self, request: Request, who: int, operator: int) -> Work:
        name, symbol = str(request.get("schedule")), str(request.get("instrument") or "")
        if symbol:
            self._instrument(symbol)
        number = self.spec.number(name)
        record = setting(Setting.LEDGER_FEES, number, who, code_of(symbol), operator=operator)
        whose = f"participant {who}" if who >= 0 else "everybody"
        where = symbol or "all instruments"
        by = f"pays by fee schedule {name}" if number >= 0 else "has no assigned fee schedule"
        return Work(record, [f"{whose} in {where} {by}"])

    def _asset(self, request: Request, who: int, operator: int) -> Work:
        name = _named("asset", asset_name, request.get("asset"))
        decimals = _named("decimals", integer(0, MAX_DECIMALS), request.get("decimals"))
        if name in self.symbols:
            raise DeskError(f"{name} is an instrument's symbol")
        if self.assets.get(name, decimals) != decimals:
            raise DeskError(
                f"scale mismatch: {name} has {self.assets[name]} decimals, not {decimals}"
            )
        others = names_by_word(self.assets)
        if others.get(asset_word(name), name) != name:
            other = others[asset_word(name)]
            raise DeskError(f"{name} has the same code as {other}: choose another name")
        record, done = (
            asset(name, decimals, operator),
            f"{name} is an asset with {decimals} decimals",
        )
        wallets = self.view.wallets
        if wallets is None:
            self._declared[name] = decimals
            return Work(record, [done])
        if name not in wallets.names and wallets.count == wallets.capacity:
            raise DeskError(
                f"this journal has room for {wallets.capacity} assets, which are all in use; a "
                "new journal with a larger [venue] asset_capacity has more"
            )

        def refused() -> str:
            is_there = name in wallets.names and wallets.decimals(name) == decimals
            return "" if is_there else f"{done}: the core rejected it"

        return Work(record, [done], refused)

    def _quote(self, request: Request, who: int, operator: int) -> Work:
        symbol = str(request.get("instrument") or "")
        self._instrument(symbol)
        if symbol in self.spec.spot:
            raise DeskError(
                f"{symbol} is a spot instrument: its quote asset is fixed by the journal"
            )
        name = self._known(request.get("asset"))
        decimals = _named("decimals", integer(0, MAX_DECIMALS), request.get("decimals"))
        if decimals != self.assets[name]:
            raise DeskError(
                f"scale mismatch: amounts of {symbol} have {decimals} decimals, {name} "
                f"has {self.assets[name]}"
            )
        self._check_money(name)
        return Work(quote(symbol, name, decimals, operator), [f"{symbol} is quoted in {name}"])

    def _deposit(self, request: Request, who: int, operator: int) -> Work:
        if who < 0:
            raise DeskError("name the participant of the deposit")
        amount = _named("amount", integer(-LARGEST, LARGEST), request.get("amount"))
        purpose = request.get("purpose", "outside")
        if purpose not in PURPOSES:
            raise DeskError(f"there is no purpose {purpose!r}; there are {', '.join(PURPOSES)}")
        requested = request.get("asset")
        name = self._known(requested) if requested else ""
        if self.view.wallets is not None:
            if name:
                return self.of_wallets.deposit(who, amount, name, purpose, operator)
            if len(self.spec.spot) == len(self.symbols):
                raise DeskError(f"name the asset; there are: {', '.join(self.assets)}")
        if name:
            self._check_money(name)
        free = self._free(who)
        if amount < 0 and purpose == "outside" and -amount > free:
            raise DeskError(
                f"participant {who} has {self.text(free, name)} available; "
                f"{self.text(-amount, name)} was requested"
            )
        if amount < 0 and purpose == "fees":
            owed = self._owed(request, who)
            if -amount > owed:
                raise DeskError(
                    f"participant {who} owes {self.text(owed, name)} in fees, not "
                    f"{self.text(-amount, name)}"
                )
        return self._moved(who, amount, name, purpose, operator)

    def _fees_due(self, request: Request, who: int, operator: int) -> Work:
        """Take what a participant owes in fees for a day, as far as it has it."""
        if who < 0:
            raise DeskError("name the participant that owes fees")
        if self.view.requests is None:
            raise DeskError("this journal began without references, which collecting fees needs")
        day = _named("day", integer(0, 99_991_231), request.get("day"))
        name = self._known(request["asset"]) if request.get("asset") else ""
        if name:
            self._check_money(name)
        reference = reference_of(day, who, asset_named(name, self.spec))
        if request.get("reference") != reference:
            raise DeskError(f"the reference of this request is {reference!r}: fees are taken once")
        owed, free = self._owed(request, who), self._free(who)
        if owed <= 0 or free <= 0:
            raise DeskError(
                f"participant {who} owes {self.text(owed, name)} in fees and has "
                f"{self.text(free, name)} available"
            )
        work = self._moved(who, -min(owed, free), name, "fees", operator)
        work.more["collected"] = min(owed, free)
        return work

    def _free(self, who: int) -> int:
        """Return what a participant may withdraw now, at least 0."""
        leaving = sum(out for whose, out in self.leaving.values() if whose == who)
        held = self.view.of(who, lay.BALANCE) - self.view.of(who, lay.RESERVED)
        return max(held - leaving, 0)

    def _owed(self, request: Request, who: int) -> int:
        """Return the fees that a participant owes by the ledger, which the caller has read; no
        money of the participant may have moved since."""
        if request.get("owed") is None or request.get("funded") is None:
            raise DeskError(
                "name what is owed by the ledger: use outcry venue withdraw with --purpose fees"
            )
        owed = _named("owed", integer(0, LARGEST), request["owed"])
        funded = _named("funded", integer(-LARGEST, LARGEST), request["funded"])
        moves = any(whose == who for whose, _ in self.leaving.values())
        if moves or self.view.of(who, lay.FUNDED) != funded:
            raise DeskError(
                f"money of participant {who} has moved since the ledger was read: repeat the "
                "request",
                FEES_MOVED,
            )
        return owed

    def _moved(self, who: int, amount: int, name: str, purpose: str, operator: int) -> Work:
        """Return the work that moves an amount into a margin account, below 0 out of it."""
        before = self.view.of(who, lay.BALANCE)
        verb, to = ("gets", "from") if amount >= 0 else ("gives", "to")
        done = f"participant {who} {verb} {self.text(abs(amount), name)} {to} {purpose}"
        this = object()

        def begun() -> None:
            if amount < 0:
                self.leaving[this] = who, -amount

        def refused() -> str:
            self.leaving.pop(this, None)
            # A balance moves with every trade: only that the deposit was taken can be seen.
            taken = not amount or self.view.of(who, lay.BALANCE) != before
            return "" if taken else f"{done}: the core rejected it"

        record = deposit(who, amount, name, PURPOSES[purpose], operator)
        return Work(record, [done], refused, more={"before": before}, begun=begun)

    def _schedule(self, name: str) -> int:
        number = self.spec.number(name)
        if number < 0:
            raise DeskError("name the fee schedule")
        return number

    def _instrument(self, symbol: str) -> None:
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")

    def _check_money(self, name: str) -> None:
        """Refuse a second kind of money in margin accounts: each has one balance."""
        for symbol, money in self.spec.quotes.items():
            if money != name:
                raise DeskError(
                    f"{symbol} is quoted in {money}: a margin account has one balance, and "
                    f"cannot hold {name} as well"
                )

    def _known(self, name: Any) -> str:
        if name not in self.assets:
            known = ", ".join(self.assets) or "none ([[asset]] in the venue file)"
            raise DeskError(f"there is no asset {name!r}; there are: {known}")
        return str(name)


def _named(key: str, parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise DeskError(f"{key}: {error}") from None
