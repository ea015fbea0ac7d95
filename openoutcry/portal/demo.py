"""A living exchange on one machine: markets that trade, a ready account with money, and the pages.

Everything is real: venue, portal, its database, console and what trades are processes and users as
anybody's.  Prices and orders come from one seed.
"""

import json
import random
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.portal_models import CreatedKey
from openoutcry.client.waiting import ClientError
from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.portal.init import EXAMPLE, prepare
from openoutcry.venue.demo_parts import Parts, is_trading
from openoutcry.venue.desk import ask
from openoutcry.venue.file import read_venue
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.free_port import free_port

FIRST, USERS = 1000, 8
DEMO_SYMBOL = "BTC-PERP"
MORE = """
[[instrument]]
symbol = "BTC-PERP"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 100_000_000
max_qty_lots = 1_000_000
reference_price_ticks = 6_000_000
price_distance_bps = 1_000
market_band_ticks = 60_000
margin_bps = 1_000
[[contract]]
symbol = "BTC-PERP"
kind = "perpetual"
underlying = "BTC"
asset = "USD"
multiplier = 10                       # a lot is 0.001 BTC
[[index]]
underlying = "BTC"
sources = ["BTC-USD"]
weights = [1]
least = 1
outlier_bps = 1_000
stale_ms = 60_000
every_ms = 1_000
[liquidation]
fund = 2
[[participant]]
number = 2
name = "Insurance fund"
[[limits]]
credit = 0
maintenance_bps = 5_000
[[operator]]
name = "operator"
password = "{password}"
role = "supervisor"
"""
"""What the demonstration adds to the portal's example."""
SETTINGS = """
[limits]
weight_a_minute = 60_000
key_weight_a_minute = 60_000
orders_in_10_s = 1_000
"""
STEP_S = 0.25
LEVELS = 6
"""On each side of a maker's book."""


@dataclass(frozen=True)
class Market:
    """How one market moves: its first price, the step of its walk and of its levels in its price
    step, and the most that an order is for."""

    symbol: str
    price: str
    walk: float
    level: int
    most: str


MARKETS = (
    Market("BTC-USD", "60000.00", 600.0, 250, "0.4"),
    Market("ETH-USD", "3000.00", 40.0, 15, "6"),
    Market("ETH-BTC", "0.05000", 1.0, 1, "3"),
    Market(DEMO_SYMBOL, "60000.00", 0.0, 300, "40"),
)
"""The perpetual has no walk: it follows BTC-USD."""
MONEY = {"USD": 10**6 * 10**6, "BTC": 100 * 10**8, "ETH": 1_000 * 10**8}
"""Units that each account is given; makers get a thousand times as much."""


class Trader(threading.Thread):
    """Makes each market's book, and takes from it, until it is stopped."""

    def __init__(self, maker: PortalClient, taker: PortalClient, seed: int) -> None:
        super().__init__(name="trader", daemon=True)
        self.maker, self.taker, self.random = maker, taker, random.Random(seed)
        self.is_stopped = threading.Event()
        self.fair = {market.symbol: Decimal(market.price) for market in MARKETS}
        self.open: dict[tuple[str, str], list[int]] = {}
        rows = {row.symbol: row for row in maker.instruments()}
        self.rows = {market.symbol: rows[market.symbol] for market in MARKETS}
        self.trades = 0

    def run(self) -> None:
        while not self.is_stopped.wait(STEP_S):
            for market in MARKETS:
                try:
                    self.step(market)
                except PortalError:
                    continue  # closed, halted, or the account has not enough: the next step comes
                except ClientError:
                    if self.is_stopped.wait(1.0):
                        return

    def step(self, market: Market) -> None:
        """Move the fair price, replace one order of each side by one at it, and perhaps take."""
        row = self.rows[market.symbol]
        step, own = Decimal(row.price_step), market.symbol
        if market.walk:
            self.fair[own] += step * round(self.random.gauss(0, market.walk))
        else:
            self.fair[own] = self.fair["BTC-USD"]
        floor = Decimal(market.price) / 2
        self.fair[own] = max(floor, min(self.fair[own], floor * 4))
        for side, sign in (("buy", -1), ("sell", 1)):
            numbers = self.open.setdefault((own, side), [])
            if len(numbers) >= LEVELS:
                self._cancel(numbers.pop(0))
            away = sign * step * market.level * self.random.randint(1, LEVELS)
            price = self.fair[own] + away
            order = self.maker.place(
                own, side, "limit", quantity=self._quantity(market), price=f"{price:f}"
            )
            numbers.append(order.id)
        if self.random.random() < 0.5:
            side = self.random.choice(("buy", "sell"))
            self.taker.place(own, side, "market", quantity=self._quantity(market))
            self.trades += 1

    def _quantity(self, market: Market) -> str:
        step = Decimal(self.rows[market.symbol].quantity_step)
        return f"{step * self.random.randint(1, int(Decimal(market.most) / step)):f}"

    def _cancel(self, number: int) -> None:
        try:
            self.maker.cancel(number)
        except PortalError as error:
            if error.status not in (404, 409, 422):
                raise

    def stop(self) -> None:
        """Stop trading; open orders stay."""
        self.is_stopped.set()
        self.join()


class Exchange:
    """The demonstration in ``folder``, served at ``address`` (host and port); ``say`` gets its
    lines."""

    def __init__(
        self, folder: Path, address: tuple[str, int], seed: int, say: Callable[[str], None]
    ) -> None:
        self.parts, self.say, self.seed = Parts(folder.resolve()), say, seed
        self.address, self.console = address, free_port()
        self.url = f"http://{address[0]}:{address[1]}"
        self.password, self.operators = secrets.token_urlsafe(12), make_password()

    def run(self) -> NoReturn:
        """Open the exchange, and keep it open until an exception: everything ends with it.

        Raises :class:`OutcryError` for a part that ends by itself."""
        with ExitStack() as stack:
            stack.callback(self.parts.stop)
            self._start()
            maker, taker = (stack.enter_context(self._bot(name)) for name in ("maker", "taker"))
            trader = Trader(maker, taker, self.seed)
            trader.start()
            stack.callback(trader.stop)
            key = self._account("you@example.com", 1)
            self.parts.wait("a trade", lambda: trader.trades)
            self._tell(key)
            while True:
                self.parts.require_alive()
                time.sleep(STEP_S)

    def _start(self) -> None:
        hashed = password_hasher().hash(self.operators)
        path = self.parts.write(
            "venue.toml", EXAMPLE.read_text(encoding="utf-8") + MORE.format(password=hashed)
        )
        prepare(read_venue(path), FIRST, USERS)
        self.parts.write("portal.toml", SETTINGS)
        self.say("the venue starts; its first start on a machine compiles its kernels for a minute")
        self.parts.spawn("venue", "serve", "venue.toml")
        self.parts.wait("the venue is open", lambda: is_trading(self.parts.folder))
        listen = f"--listen={self.address[0]}:{self.address[1]}"
        self.parts.spawn(
            "portal", "portal", "serve", "venue.toml", listen, "--settings=portal.toml"
        )
        console = f"--address=127.0.0.1:{self.console}"
        self.parts.spawn("console", "venue", "console", "venue.toml", console)
        self.parts.wait("the portal is ready", self._is_ready)
        self.say("venue, portal and console run; accounts are opened")

    def _is_ready(self) -> bool:
        try:
            with PortalClient(self.url) as client:
                return bool(client.instruments())
        except (ClientError, PortalError):
            return False

    def _bot(self, name: str) -> PortalClient:
        key = self._account(f"{name}@example.com", 1_000)
        return PortalClient(self.url, key.api_key, key.secret or "")

    def _account(self, mail: str, times: int) -> CreatedKey:
        """Open an account with money, and return a key of it that trades."""
        with PortalClient(self.url) as client:
            client.register(mail, self.password)
            code = self.parts.wait(f"a code for {mail}", lambda: self._code(mail))
            client.verify(mail, self.password, code)
            client.log_in(mail, self.password)
            participant = self.parts.wait(
                "a participant", lambda: me.participant if (me := client.me()).is_open else None
            )
            for asset, units in MONEY.items():
                self._deposit(participant, units * times, asset=asset)
            self._deposit(participant, MONEY["USD"] * times)  # for the margin of contracts
            return client.new_key("demo", self.password, permissions=["read", "trade"])

    def _deposit(self, participant: int, units: int, **more: str) -> None:
        request = {"do": "deposit", "participant": participant, "amount": units, **more}
        ask(self.parts.folder / "journal", request)

    def _code(self, mail: str) -> str:
        path = self.parts.folder / "journal-portal" / "mails.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        texts = [row["text"] for row in map(json.loads, lines) if row["to"] == mail]
        found = re.search(r"\b\d{8}\b", texts[-1]) if texts else None
        return found[0] if found else ""

    def _tell(self, key: CreatedKey) -> None:
        self.say(
            f"""
The exchange is open. Control-C closes it.

  the trader's page     {self.url}/
    log in with         you@example.com
    password            {self.password}
  the operators' page   http://127.0.0.1:{self.console}/
    log in with         operator
    password            {self.operators}
  an API key            {key.api_key}
    its secret          {key.secret}
  ccxt                  {self.url}/api in place of Binance's address (docs/portal.md)
  files and logs        {self.parts.folder}
"""
        )


def run(folder: Path, address: tuple[str, int], seed: int, say: Callable[[str], None]) -> NoReturn:
    """Run a demonstration in a new or empty ``folder`` until an exception.

    Raises :class:`OutcryError` if the folder has files, or a part ends by itself."""
    if any(folder.iterdir()):
        raise OutcryError(f"{folder}: the folder is not empty")
    Exchange(folder, address, seed, say).run()
