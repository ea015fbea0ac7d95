"""The screen of one venue: its participants' connections, what they hold, what they receive."""

import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any

from openoutcry.console.accounts import Accounts, Session
from openoutcry.console.exact import exact
from openoutcry.console.live import Viewer, as_json
from openoutcry.console.market import Market
from openoutcry.console.participants import margin_of
from openoutcry.console.screen.holdings import Holdings
from openoutcry.console.screen.notify import Notifier
from openoutcry.console.screen.orders import OPEN, Fill
from openoutcry.console.screen.rules import Rule, Rules, fill_text
from openoutcry.console.screen.trader import Busy, TradeError, Trader
from openoutcry.console.screen.traders import Traders
from openoutcry.operations.notify import MailServer
from openoutcry.venue.file import VenueFile
from openoutcry.venue.log import VenueLog, log_folder
from openoutcry.wire import OutcryError

LOG = "screen.jsonl"
LOOK_S = 1.0
MAX_NOTICES = 200
ORDERS_SHOWN, FILLS_SHOWN = 200, 200


class Screen:
    """All that serves the page; thread-safe.  Raises ``OSError`` if its log cannot be written."""

    def __init__(
        self,
        file: VenueFile,
        smtp: MailServer | None = None,
        sender: str = "",
        hosts: tuple[str, ...] = (),
    ) -> None:
        """``smtp``, ``sender``: whence mail is sent; ``hosts``: where webhooks may go."""
        self.file = file
        self.market, self.holdings = Market(file.feed, file.journal), Holdings(file)
        self.traders = Traders(file, self._notify)
        self.accounts = Accounts(
            self.traders,
            file.sessions.failures_before_lock,
            file.sessions.lock_s,
            reading_counts=True,
        )
        self.log = VenueLog(file.journal, file.name, self._sequenced, LOG)
        self.rules = Rules(log_folder(file.journal), self.decimals, hosts, smtp is not None)
        self.notifier = Notifier(file.name, smtp, sender, self._not_told, hosts=hosts)
        self.second = 0
        self._notices: dict[str, deque[dict[str, Any]]] = {}
        self._numbered = 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="screen-look")

    def _sequenced(self) -> int:
        pipeline = self.holdings.pipeline
        return pipeline.positions()["sequenced"] if pipeline is not None else 0

    def decimals(self, symbol: str) -> int:
        """Decimals of an instrument's prices; 4 for an unknown one."""
        return self.file.sessions.price_decimals.get(symbol, 4)

    def start(self) -> None:
        """Begin to read the venue and to send notifications, in threads."""
        self.poll()
        self.market.start()
        self.notifier.start()
        self._thread.start()

    def stop(self) -> None:
        """Log every participant out at the venue, so that their orders stay."""
        self._over.set()
        self._thread.join(5)
        self.traders.stop()
        self.notifier.stop()
        self.market.stop()
        self.log.close()

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self.poll()
            except OutcryError as error:
                self.log.write("error", f"screen: {error}")

    def poll(self) -> None:
        """Once a second: state, phases, and the rules of those that are logged in."""
        self.holdings.poll()
        self.traders.sweep()
        last = self.market.last()
        for number in self.traders.numbers():
            trader = self.traders.trader(number)
            if trader is None:
                continue
            account = self.holdings.of(trader.participant, trader.own, last)["account"] or {}
            for rule, text in self.rules.check(trader.name, last, account.get("limits", [])):
                self._tell(trader.name, rule, text)
        self.second += 1

    # Notices

    def _notify(self, trader: Trader, words: str, fill: Fill | None, bad: bool) -> None:
        """Notify from a trader's thread."""
        if fill is None:
            self.notice(trader.name, words, bad)
            self.log.write("info", f"screen: {trader.name}: {words}")
            return
        self.notice(trader.name, fill_text(fill, self.decimals))
        for rule, text in self.rules.of_fill(trader.name, fill):
            self.notifier.notify(trader.name, rule, text)

    def _tell(self, session: str, rule: Rule, text: str) -> None:
        self.notice(session, text)
        self.notifier.notify(session, rule, text)

    def _not_told(self, session: str, words: str) -> None:
        self.notice(session, words, bad=True)
        self.log.write("error", f"screen: {session}: {words}")

    def notice(self, session: str, text: str, bad: bool = False) -> None:
        """Show a notice on the session's pages."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            self._numbered += 1
            row = {"number": self._numbered, "at": at, "text": text, "bad": bad}
            self._notices.setdefault(session, deque(maxlen=MAX_NOTICES)).append(row)

    def notices(self, session: str, since: int = 0) -> list[dict[str, Any]]:
        """Notices of a session with numbers above ``since``, in order."""
        with self._lock:
            return [row for row in self._notices.get(session, ()) if row["number"] > since]

    # Who

    def log_in(self, name: str, password: str, address: str) -> tuple[str, Session]:
        """A page's session, and what its cookie holds.  Raises what ``Traders.prove`` does."""
        known = {one.name.casefold() for one in self.file.sessions.sessions}
        try:
            number = self.accounts.prove(name, password, "", address)
        except OutcryError as error:
            # A name that no session has may be a password in the wrong field.
            who = name if name.casefold() in known else "an unknown name"
            self.log.write("error", f"screen: login of {who} from {address} refused: {error}")
            raise
        cookie, session = self.accounts.begin(number)
        self.log.write("info", f"screen: {session.name} logged in from {address}")
        return cookie, session

    def log_out(self, cookie: str, session: Session) -> None:
        """The last page that logs out logs its session out at the venue."""
        self.accounts.end(cookie)
        self.log.write("info", f"screen: {session.name} logged out")
        if not self.accounts.has(session.number):
            self.traders.end(session.number)

    def trader(self, session: Session) -> Trader:
        """Raises :class:`Busy`."""
        trader = self.traders.trader(session.number)
        if trader is None:
            raise Busy("this session is no longer logged in at the venue; log in again")
        return trader

    # What is shown

    def own(self, session: Session) -> dict[str, Any]:
        """Orders, fills, positions and the state of the connection."""
        trader = self.traders.trader(session.number)
        if trader is None:
            return {"link": {"state": "ended", "problem": "log in again"}}
        last = self.market.last()
        with trader.reads:
            own = trader.own
            document = {
                "link": {"state": trader.state, "problem": trader.problem, "day": trader.day},
                "orders": self._with_places(own.rows(ORDERS_SHOWN)),
                "fills": own.last_fills(FILLS_SHOWN),
                "fill_count": own.fill_count,
                "holdings": self.holdings.of(trader.participant, own, last),
            }
        return dict(exact(document))

    def margin(self, session: Session, symbol: str, lots: int, price: int | None) -> dict[str, Any]:
        """Return what the participant's scenario margin is made of.  Raises
        :class:`OutcryError`."""
        trader = self.traders.trader(session.number)
        if trader is None:
            raise TradeError("log in again")
        pipeline = self.holdings.pipeline
        return margin_of(self.file, pipeline, trader.participant, symbol, lots, price)

    def _with_places(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The orders with what is displayed ahead of them at their price, by the public feed:
        ``orders_ahead`` and ``lots_ahead``, None of what is not displayed."""
        open_rows = [row for row in rows if row["state"] == OPEN]
        ahead = self.market.ahead([row["reference"] for row in open_rows])
        for row in rows:
            row["orders_ahead"] = row["lots_ahead"] = None
        for row, place in zip(open_rows, ahead, strict=True):
            row["orders_ahead"], row["lots_ahead"] = place or (None, None)
        return rows

    def message(self, viewer: Viewer, session: Session) -> str:
        """Return the message that a page receives now, as JSON."""
        message: dict[str, Any] = {"type": "now", "state": self.holdings.state}
        trader = self.traders.trader(session.number)
        version = trader.own.version if trader is not None else -2
        if viewer.second != self.second or viewer.version != version:
            viewer.second, viewer.version = self.second, version
            message |= self.own(session) | {"instruments": self.holdings.instruments()}
        new = self.notices(session.name, viewer.line)
        if new:
            viewer.line = new[-1]["number"]
            message["notices"] = new
        if viewer.symbol:
            market = message["market"] = self.market.view(viewer.symbol, viewer.trade)
            if market.get("trades"):
                viewer.trade = market["trades"][-1]["number"]
        return as_json(message)
