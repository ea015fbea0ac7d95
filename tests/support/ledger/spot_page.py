"""The triangle of spot_example.md: its lines traded in a core, and posted in the ledger."""

import re
from pathlib import Path

from openoutcry.journal.replay import instruments_to_json
from openoutcry.ledger.accounts import parsed
from openoutcry.ledger.books import Books
from openoutcry.ledger.reconcile import differences
from openoutcry.ledger.report import amount_text
from openoutcry.venue.limits import hook_settings
from tests.support.risk.spot_page import SpotMarket

PAGE = Path(__file__).with_name("spot_example.md").read_text()
EXAMPLES = re.findall(r"```spot-ledger\n(.*?)```", PAGE, re.DOTALL)


class LedgerMarket(SpotMarket):
    """Every command's events are posted."""

    books = None

    def send(self, record):
        if self.books is None:
            numbers = [one.number for one in self.venue.participants]
            capacity, table = self.venue.order_capacity, self.venue.instruments
            hooks = hook_settings(numbers, capacity, self.venue.risk)
            self.books = Books(
                {
                    "instruments": instruments_to_json(table),
                    "order_capacity": capacity,
                    "hooks": hooks,
                }
            )
        events = super().send(record)
        self.rows = self.books.post(record, events)
        assert differences(self.books, self.engine) is None
        return events

    def line(self, text):
        words = text.split()
        if words[0] == "ACCOUNT":
            place = parsed(words[1], self.books.assets)
            amount = self.books.balance(place.owner, place.asset, place.kind)
            return amount_text(amount, self.books.decimals(place.asset))
        if words[0] == "SUM":
            asset = self.books.assets.index(words[1])
            return amount_text(self.books.sums()[asset], self.books.decimals(asset))
        return super().line(text)
