"""The notifier's process: it makes notices of what the history says, and sends them.

One notifier works at a time: the others wait.  It continues where the last one ended.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openoutcry.operations.notify import MailServer
from openoutcry.operations.outward import Outward
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.folder import folder_of
from openoutcry.portal.history.projector import only_writer, wait
from openoutcry.portal.notices.channels import Hooks, Mailer, Push
from openoutcry.portal.notices.delivery import Delivery
from openoutcry.portal.notices.news import ROWS, News, add
from openoutcry.portal.notices.quiet import last_summary, next_summary
from openoutcry.portal.notices.words import of_summary
from openoutcry.portal.portfolio.bookkeeper import Bookkeeper
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.trading.instruments import Markets, text_of
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.urls import without_password

LOCK = 7414
IDLE_S, BUSY_S, AGAIN_S, RETRY_S = 0.2, 0.01, 0.05, 1.0
"""Between steps; and before a connection that has worked, or has not, is opened again."""
SUMMARIES_S, SWEEP_S = 15.0, 3_600.0
SUMMARIES = 20
"""In one go: what else there is waits for them."""
LATER, LAST_DUE = timedelta(minutes=1), timedelta(days=8)
"""Until a summary is tried again; how far ahead the next one of a week may be."""
KEPT_DAYS = 90
KEY_FILE = "vapid.pem"
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Ways:
    """Ways that an operator chooses."""

    smtp: MailServer | None = None
    sender: str = "openoutcry@localhost"
    choices: PortalFile = field(default_factory=PortalFile)


def outward_of(choices: PortalFile) -> Outward:
    """Requests to the hosts and networks that the operator allows."""
    return Outward(choices.hook_hosts, choices.hook_networks, choices.hook_authorities)


def delivery_of(file: VenueFile, ways: Ways) -> Delivery:
    """The delivery by mail, webhook and web push; without a usable key there is no web push, which
    is logged."""
    folder, outward = folder_of(file), outward_of(ways.choices)
    mailer = Mailer(ways.smtp, ways.sender, folder / "mails.jsonl", file.name)
    push: Push | None = None
    try:
        push = Push(outward, folder / KEY_FILE, ways.sender)
    except OutcryError as error:
        log.warning("there is no web push: %s", error)
    return Delivery(mailer, Hooks(outward, SecretKey(folder / "portal.key")), push)


class Notifier:
    """Works over one connection."""

    def __init__(self, file: VenueFile, connection: Any, delivery: Delivery) -> None:
        self.file, self.connection, self.delivery = file, connection, delivery
        self.markets = Markets(file)
        self.news = News(self.markets, connection)
        self._summaries_s = self._sweep_s = 0.0
        self._keeper: Bookkeeper | None = None

    def step(self) -> int:
        """Return how much there was to do."""
        count = self.news.step() + self.delivery.step(self.connection)
        now_s = time.monotonic()
        if now_s >= self._summaries_s:
            self._summaries_s = now_s + SUMMARIES_S
            self.summarise(datetime.now(UTC))
        if now_s >= self._sweep_s:
            self._sweep_s = now_s + SWEEP_S
            self.connection.execute(
                "delete from notices where created_at < now() - %s * interval '1 day'", (KEPT_DAYS,)
            )
        return count

    # Summaries

    def summarise(self, now: datetime) -> None:
        """Notices of portfolios that are due.  One that the books have no answer for waits."""
        query = """
            select s.*, u.participant, u.language
            from notice_settings as s join users as u on u.id = s.user_id
            where s.summary <> '' and u.is_open
              and (s.summary_next is null or s.summary_next <= %s or s.summary_next > %s)
            order by s.summary_next limit %s
        """
        # One that is due later than any can be was put there by a clock that was wrong.
        values = now, now + LAST_DUE, SUMMARIES
        for row in self.connection.execute(query, values).fetchall():
            terms = row["summary"], row["summary_at"], row["time_zone"]
            due, notice = next_summary(now, *terms), None
            if row["summary_next"] is not None and row["summary_next"] <= now:
                shown = self._worth(row)
                if shown is None:
                    due = min(due, now + LATER)
                else:
                    # By the user's own clocks: two summaries may be due on one day of UTC.
                    day = last_summary(now, *terms).date().isoformat()
                    notice = of_summary(day, self._currency(row), shown, row["language"])
            with self.connection.transaction():
                if notice is not None:
                    add(self.connection, [(row["user_id"], notice)])
                update = "update notice_settings set summary_next = %s where user_id = %s"
                self.connection.execute(update, (due, row["user_id"]))

    def _currency(self, row: dict[str, Any]) -> str:
        return row["currency"] or self.markets.all[0].quote

    def _worth(self, row: dict[str, Any]) -> dict[str, str] | None:
        """None: the books have no answer now."""
        from psycopg.rows import dict_row, tuple_row

        currency = self._currency(row)
        question = {"ask": "performance", "participant": row["participant"], "currency": currency}
        if self._keeper is None:
            self._keeper = Bookkeeper(self.file, self.connection)
        self.connection.row_factory = tuple_row
        try:
            answer = self._keeper.answer(question)
        finally:
            self.connection.row_factory = dict_row
        if "code" in answer:
            log.warning("a summary waits: %s", answer["detail"])
            return None
        last, decimals = answer["days"][-1], self.markets.assets[currency]
        return {name: text_of(last[name], decimals) for name in ("value", "invested", "gain")}


def notify(file: VenueFile, url: str, ways: Ways, stop: Callable[[], bool]) -> None:
    """Until ``stop`` says so; waits for a database that is gone."""
    import psycopg

    delivery, last_error, retry_s = delivery_of(file, ways), "", RETRY_S
    try:
        while not stop():
            try:
                rows = psycopg.rows.dict_row
                with psycopg.connect(url, autocommit=True, row_factory=rows) as connection:
                    if not only_writer(connection, stop, LOCK):
                        return
                    last_error, retry_s = "", AGAIN_S
                    _work(Notifier(file, connection, delivery), stop)
            except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseError) as error:
                text = f"{without_password(url)}: {' '.join(str(error).split())}"
                if text != last_error:
                    last_error = text
                    log.error("the notifier waits: %s", text)
                wait(retry_s, stop)
                retry_s = RETRY_S
    finally:
        delivery.close()


def _work(notifier: Notifier, stop: Callable[[], bool]) -> None:
    import psycopg

    while not stop():
        try:
            count = notifier.step()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            # The history is being made again.
            count = 0
        if count < ROWS:  # a transaction for each few rows would take the core from orders
            time.sleep(BUSY_S if notifier.delivery.is_busy else IDLE_S)


def key_file(file: VenueFile) -> Path:
    """Return where the private key of web push is stored."""
    return folder_of(file) / KEY_FILE
