"""The venue of docs/margin.md's section about the core, with the contracts of the page's margin
file, and the lines of scenario_examples.md that trade there."""

import re
import shutil
from pathlib import Path

from openoutcry.risk import layout as lay
from tests import ROOT
from tests.support.risk.contract_page import ContractMarket

PAGE = (ROOT / "docs" / "margin.md").read_text()
FILE = ROOT / "docs" / "margin-example.toml"
EXAMPLES = re.findall(
    r"```scenarios\n(.*?)```",
    Path(__file__).with_name("scenario_examples.md").read_text(),
    re.DOTALL,
)
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


def scenario_tables(tables=TABLES):
    """What a venue file needs for the page's venue."""
    rows = [
        f'[[instrument]]\nsymbol = "{symbol}"\nmin_price_ticks = 1\nmax_price_ticks = 1_000_000\n'
        f"reference_price_ticks = {price}\n"
        for symbol, price in REFERENCES.items()
    ]
    asset = '[[asset]]\nname = "USD"\ndecimals = 2\n'
    return asset + "".join(rows) + contracts_of(FILE.read_text()) + tables


class ScenarioMarket(ContractMarket):
    """A core under scenario margin, every instrument trading."""

    def __init__(self, folder, tables=TABLES):
        shutil.copy(FILE, folder)
        super().__init__(folder, scenario_tables(tables))

    def shown(self, what, words):
        who = int(words[0][1:])
        if what == "MARGIN":
            return f"{self.of(who, lay.PORTFOLIO)} of {self.view.equity(who)}"
        return super().shown(what, words)
