"""What the exchange operator may ask about wallets: money in and out of one, credit in an asset,
and by which volume and in what a participant pays its fees."""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.layout import RiskParticipant
from openoutcry.risk.region import View, Wallets, setting
from openoutcry.risk.spot_layout import LARGEST_TOTAL
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.fee_tables import NO_MINIMUM, QUOTE, RECEIVED, MoneySpec, deposit
from openoutcry.venue.rolled import values_of
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.asset_names import asset_word
from openoutcry.wire.toml_tables import integer

FEE_VOLUME = RiskParticipant.offset("fee_volume") // 8
"""The column of participants' rows."""

Request = dict[str, Any]
NOTHING = np.zeros(0, ORDER_DTYPE)
NUMBER = re.compile(r"[0-9]{1,5}")
OUTSIDE, FEES = "outside", "fees"
PURPOSES = {OUTSIDE: 0, FEES: 1}
WALLET_REQUESTS = ("asset-credit", "fee-volume", "fee-collect", "fee-roll")


def require_nothing_owed(wallets: Wallets, who: int) -> None:
    """Raise :class:`DeskError` if the participant is short of an asset: it withdraws nothing."""
    owed = [wallets.text(amount, name) for _, name, amount in wallets.shortfalls(who)]
    if owed:
        raise DeskError(
            f"participant {who} is {', '.join(owed)} short because a deposit was reversed, and "
            "cannot withdraw until that is paid",
            "deposit_reversed",
        )


@dataclass
class OfWallets:
    """A desk of a venue with spot instruments."""

    spec: MoneySpec
    view: View

    @property
    def wallets(self) -> Wallets:
        """The wallets of the running venue. Raises ``DeskError`` if it has none."""
        if self.view.wallets is None:
            raise DeskError("the venue has no spot instrument, and so no wallets")
        return self.view.wallets


@dataclass
class WalletDesk(OfWallets):
    """Turns requests about wallets into work; only of a venue with spot instruments."""

    leaving: dict[object, tuple[int, str, int]] = field(default_factory=dict)
    """Participant, asset and amount of what goes out and is on its way to the core."""

    def work_of(self, request: Request, who: int, operator: int) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        what = request["do"]
        if what == "fee-collect":
            return self._collect(request, operator)
        if what == "fee-roll":
            return self._roll(request, operator)
        if who < 0:
            raise DeskError(f"{what} needs a participant")
        try:
            return (self._credit if what == "asset-credit" else self._volume)(
                request, who, operator
            )
        except ValueError as error:
            raise DeskError(str(error)) from None

    def named(self, name: Any) -> str:
        """An asset that has wallets."""
        if name not in self.wallets.names:
            known = ", ".join(self.wallets.names)
            raise DeskError(f"there is no asset {name!r} with wallets; there are: {known}")
        return str(name)

    def deposit(self, who: int, amount: int, name: str, purpose: str, operator: int) -> Work:
        """Into a wallet or, below 0, out of it."""
        name = self.named(name)
        if purpose not in PURPOSES:
            raise DeskError(f"a wallet's purposes are {' and '.join(PURPOSES)}, not {purpose!r}")
        shown = partial(self.wallets.text, asset=name)
        if abs(amount) > LARGEST_TOTAL:
            most = shown(LARGEST_TOTAL)
            raise DeskError(f"an amount is at most {most}, not {shown(abs(amount))}")
        available, reserved, _ = self.wallets.balance(who, name)
        leaving = sum(out for whose, of, out in self.leaving.values() if (whose, of) == (who, name))
        free = max(available - leaving, 0)
        if amount < 0:
            require_nothing_owed(self.wallets, who)
        if amount < 0 and -amount > free:
            raise DeskError(
                f"participant {who} has {shown(free)} available ({shown(reserved)} reserved by "
                f"open orders and withdrawals), not {shown(-amount)}"
            )
        fees = self.wallets.fees(name)
        if purpose == FEES and amount > max(fees, 0):
            raise DeskError(f"the venue's fees are {shown(fees)}, not {shown(amount)}")
        verb, to = ("gets", "from") if amount >= 0 else ("gives", "to")
        done = f"participant {who} {verb} {shown(abs(amount))} {to} {purpose}"
        this = object()

        def begun() -> None:
            if amount < 0:
                self.leaving[this] = who, name, -amount

        def refused() -> str:
            self.leaving.pop(this, None)
            # A wallet moves with every trade: only that something has moved can be seen.
            now = self.wallets.balance(who, name)
            moved = not amount or now[:2] != (available, reserved)
            return "" if moved else f"{done}: the core rejected it"

        record = deposit(who, amount, name, PURPOSES[purpose], operator)
        return Work(record, [done], refused, more={"before": available}, begun=begun)

    def _credit(self, request: Request, who: int, operator: int) -> Work:
        name = self.named(request.get("asset"))
        credit = integer(0, LARGEST_TOTAL)(request.get("amount"))
        used = max(-self.wallets.balance(who, name)[0], 0)
        if credit < used:
            shown = self.wallets.text(used, name), self.wallets.text(credit, name)
            raise DeskError(f"participant {who} uses {shown[0]} of its credit, not {shown[1]}")
        record = setting(
            Setting.ASSET_CREDIT, credit, who, second=asset_word(name), operator=operator
        )
        done = f"participant {who} may owe {self.wallets.text(credit, name)}"

        def refused() -> str:
            return "" if self.wallets.balance(who, name)[2] == credit else f"{done}: refused"

        return Work(record, [done], refused)

    def _volume(self, request: Request, who: int, operator: int) -> Work:
        name = self.named(request.get("asset") or self.wallets.names[0])
        volume = integer(0, LARGEST)(request.get("volume"))
        record = setting(Setting.FEE_VOLUME, volume, who, operator=operator)
        shown = self.wallets.text(volume, name)
        return Work(record, [f"participant {who} pays by a volume of {shown}"])

    def _roll(self, request: Request, operator: int) -> Work:
        """The volumes of all participants from ``first`` to ``last``: whose is not said has 0."""
        self.named(self.wallets.names[0])
        most = len(self.view.participants) - 1
        try:
            first, last = (
                integer(1, most)(request.get(key, usual))
                for key, usual in (("first", 1), ("last", most))
            )
        except ValueError as error:
            raise DeskError(f"first and last participant: {error}") from None
        wanted = np.zeros(most + 1, np.int64)
        for who, volume in values_of(request.get("volumes")).items():
            if not NUMBER.fullmatch(who) or not first <= int(who) <= last or volume > LARGEST:
                raise DeskError(f"{who}={volume}: participants are {first} to {last}")
            wanted[int(who)] = volume
        column = self.view.participants[:, FEE_VOLUME]
        others = first + np.flatnonzero(column[first : last + 1] != wanted[first : last + 1])
        records = [
            setting(Setting.FEE_VOLUME, int(wanted[who]), who, operator=operator)
            for who in others.tolist()
        ]
        done = f"participants {first} to {last} pay by the volumes of {request.get('days')}"
        done += f": {len(others)} of them changed"

        def refused() -> str:
            now = self.view.participants[first : last + 1, FEE_VOLUME]
            left = int(np.count_nonzero(now != wanted[first : last + 1]))
            return f"{left} volumes differ: another operator set them meanwhile" if left else ""

        return Work(np.concatenate([NOTHING, *records]), [done], refused)

    def _collect(self, request: Request, operator: int) -> Work:
        self.named(self.wallets.names[0])
        what, name = request.get("collect"), str(request.get("schedule"))
        if what not in (RECEIVED, QUOTE):
            raise DeskError(f"buyers pay in {RECEIVED} or {QUOTE}, not {what!r}")
        try:
            number = self.spec.number(name)
        except ValueError as error:
            raise DeskError(str(error)) from None
        if number < 0:
            raise DeskError("name the fee schedule")
        wallets = self.wallets
        if what == QUOTE and wallets.schedule(number)[1]:
            raise DeskError(f"fee schedule {name}: {NO_MINIMUM}")
        record = setting(Setting.LEDGER_COLLECT, int(what == QUOTE), number, operator=operator)
        asset = "the quote asset" if what == QUOTE else "what they receive"
        done = f"fee schedule {name}: buyers pay in {asset}"

        def refused() -> str:
            is_so = wallets.schedule(number)[0] == (what == QUOTE)
            return "" if is_so else f"{done}: the core rejected it"

        return Work(record, [done], refused)
