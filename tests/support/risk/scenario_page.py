"""The venue of docs/margin.md's section about the core, with the contracts of the page's margin
file, and the lines of scenario_examples.md that trade there."""

import re
import shutil
from pathlib import Path

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.fee_tables import deposit
from tests import ROOT
from tests.support.risk.collateral import pledge
from tests.support.risk.contract_page import ContractMarket

PAGE = (ROOT / "docs" / "margin.md").read_text()
FILE = ROOT / "docs" / "margin-example.toml"
MORE = Path(__file__).with_name("scenario_examples.md").read_text()
EXAMPLES = re.findall(r"```scenarios\n(.*?)```", MORE, re.DOTALL)
PLEDGES = re.findall(r"```collateral\n(.*?)```", PAGE + MORE, re.DOTALL)
TABLES = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1)
REFERENCES = {
    "BTC-PERP": 60_000,
    "BTC-25DEC26": 60_300,
    "BTC-25DEC26-60000-C": 3_664,
    "ETH-PERP": 3_001,
}
"""First marks: those of the margin file."""


def contracts_of(text):
    """The ``[[contract]]`` tables of a margin file, as a venue file has them."""
    blocks = re.findall(r"\[\[contract\]\]\n(?:.+\n)+", text)
    return "".join(re.sub(r"(?m)^(mark_ticks|tier) = .*\n", "", block) for block in blocks)


BANDS = "price_distance_bps = 100_000"


def scenario_tables(tables=TABLES, bands=BANDS):
    """What a venue file needs for the page's venue."""
    rows = [
        f'[[instrument]]\nsymbol = "{symbol}"\nmin_price_ticks = 1\nmax_price_ticks = 1_000_000\n'
        f"reference_price_ticks = {price}\n{bands}\n"
        for symbol, price in REFERENCES.items()
    ]
    asset = '[[asset]]\nname = "USD"\ndecimals = 2\n'
    return asset + "".join(rows) + contracts_of(FILE.read_text()) + tables


WALLETS = """
[[asset]]
name = "BTC"
decimals = 8
[[instrument]]
symbol = "BTC-USD"
settlement = "spot"
base = "BTC"
quote = "USD"
lot_units = 10_000_000
tick_units = 1
decimals = 1
min_price_ticks = 1
max_price_ticks = 1_000_000
"""
"""What a venue needs so that its participants have BTC to pledge."""


class ScenarioMarket(ContractMarket):
    """A core under scenario margin, every instrument trading."""

    def __init__(self, folder, tables=TABLES, bands=BANDS):
        shutil.copy(FILE, folder)
        super().__init__(folder, scenario_tables(tables, bands))

    def shown(self, what, words):
        who = int(words[0][1:])
        if what == "MARGIN":
            return f"{self.of(who, lay.PORTFOLIO)} of {self.view.equity(who)}"
        return super().shown(what, words)


class PledgeMarket(ContractMarket):
    """A core in which BTC may be pledged, as the page's second table says."""

    def __init__(self, folder):
        shutil.copy(FILE, folder)
        pledged = re.search(r"```toml\n(collateral = .*?)```", PAGE, re.DOTALL).group(1)
        tables = TABLES.replace("[margin]\n", "[margin]\n" + pledged)
        super().__init__(folder, scenario_tables(tables) + WALLETS)

    def line(self, text):
        what, *words = text.split()
        if what == "WALLET":
            return self.yes(
                self.send(deposit(int(words[2][1:]), int(words[0]), words[1], 0, 0))[-1]
            )
        if what in ("PLEDGE", "RELEASE"):
            amount = int(words[0]) if what == "PLEDGE" else -int(words[0])
            asset = self.wallets.names.index(words[1])
            return self.yes(self.send(pledge(int(words[2][1:]), asset, amount))[-1])
        if what == "PRICE":
            units, of, _ = words
            done = self.apply(Setting.COLLATERAL_PRICE, int(units), 0, "", int(of))
            return "" if done else "makes no sense"
        return super().line(text)

    def shown(self, what, words):
        who, portfolio = int(words[0][1:]), self.view.portfolio
        if what == "MARGIN":
            counts = int(portfolio.collateral()[who])
            return f"{self.of(who, lay.PORTFOLIO) + counts} of {self.view.equity(who)} + {counts}"
        if what in ("DEBT", "DEFICIT"):
            owed = self.view.debts() if what == "DEBT" else self.view.deficits()
            return str(owed.get(who, 0))
        if what == "WALLET?":
            return str(self.wallets.balance(who, words[1])[0])
        return super().shown(what, words)
