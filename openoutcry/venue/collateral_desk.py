"""What the exchange operator may ask for about collateral: a participant pledges an asset out of
its wallet or takes it back, and the price of an asset changes."""

from functools import partial
from typing import Any

from openoutcry.derivatives.collateral import LARGEST
from openoutcry.derivatives.margin_layout import collateral_in
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import PortfolioView, View, setting
from openoutcry.venue.desk import UNAVAILABLE, DeskError, Work
from openoutcry.venue.requests import EFFECTIVE, NOTHING
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.wire.toml_tables import integer

COLLATERAL_REQUESTS = ("contract-pledge", "contract-release", "contract-collateral")
Request = dict[str, Any]


class CollateralDesk:
    """Turns requests about collateral into work."""

    def __init__(self, view: View, spec: RiskSpec) -> None:
        self.view, self.assets, self.money = view, spec.collateral, spec.money
        self.moving: set[tuple[int, int]] = set()
        """Participants and assets with a pledge or release that the core has not answered: one at a
        time, so that what has changed is by this request."""

    def work_of(self, request: Request, operator: int) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        name, portfolio = request.get("asset"), self.view.portfolio
        if name not in self.assets or portfolio is None:
            known = ", ".join(self.assets) or "none: the venue file's [margin] names no collateral"
            raise DeskError(f"{name!r} is no collateral; there are {known}")
        if request.get(EFFECTIVE):
            return Work(NOTHING, [f"{name}: done"])
        try:
            if request["do"] == "contract-collateral":
                return self._price(request, str(name), portfolio, operator)
            return self._pledge(request, str(name), portfolio, operator)
        except ValueError as error:
            raise DeskError(str(error)) from None

    def _pledge(self, request: Request, name: str, portfolio: PortfolioView, operator: int) -> Work:
        who = integer(1, len(self.view.participants) - 1)(request.get("participant"))
        amount, asset = integer(1, LARGEST)(request.get("amount")), self.assets[name]
        held, wallets = portfolio.pledged(who).get(asset, 0), self.view.wallets
        assert wallets is not None
        available, _, _ = wallets.balance(who, name)
        shown = partial(wallets.text, asset=name)
        releases = request["do"] == "contract-release"
        if releases and amount > held:
            raise DeskError(f"participant {who} has pledged {shown(held)}, not {shown(amount)}")
        if not releases and amount > available:
            raise DeskError(f"participant {who} has {shown(max(available, 0))} available")
        this = who, asset
        if this in self.moving:
            text = f"participant {who}: another pledge of {name} is in progress; try again"
            raise DeskError(text, UNAVAILABLE)
        verb = "takes back" if releases else "pledges"
        done = f"participant {who} {verb} {shown(amount)}"

        def refused() -> str:
            if portfolio.pledged(who).get(asset, 0) != held:
                return ""
            why = "what is left would not cover its initial margin"
            if not releases:
                why = "all that is pledged would count less than before"
            return f"{done}: the core rejected it: {why}"

        signed = -amount if releases else amount
        record = setting(Setting.PLEDGE, signed, who, operator=operator)
        record["time_in_force"] = asset
        begun, ended = partial(self.moving.add, this), partial(self.moving.discard, this)
        return Work(record, [done], refused, begun=begun, ended=ended)

    def _price(self, request: Request, name: str, portfolio: PortfolioView, operator: int) -> Work:
        units, of = (integer(0, LARGEST)(request.get(key)) for key in ("units", "of"))
        if not of:
            raise DeskError("a price is for 1 unit of the asset at least")
        number = list(self.assets).index(name)
        done = (
            f"{self.money.text(of, name)} are worth {self.money.margin_text(units)} as collateral"
        )
        record = setting(Setting.COLLATERAL_PRICE, units, number, second=of, operator=operator)

        def refused() -> str:
            is_so = collateral_in(portfolio.table)[number][1:3] == [units, of]
            return "" if is_so else f"{done}: the core rejected it"

        return Work(record, [done], refused)
