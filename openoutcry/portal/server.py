"""The portal of one venue: everything at its address, started and stopped together."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import psutil

from openoutcry.journal.events import NO_LIMIT
from openoutcry.operations.connection_limits import MAX_WITHOUT_LOGIN, ConnectionLimits, allow_files
from openoutcry.operations.notify import MailServer
from openoutcry.operations.web_server import PageErrors, server_of, tls_settings, web_config
from openoutcry.portal.accounts.accounts import ORIGIN, Accounts
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.challenges import Challenges
from openoutcry.portal.accounts.identities import LARGEST_PAPER, Identities, Sanctions
from openoutcry.portal.accounts.mails import Send, by_smtp, to_file
from openoutcry.portal.accounts.more_routes import LARGE_BODY, More, add_more
from openoutcry.portal.accounts.operators import Operators
from openoutcry.portal.accounts.own_limits import OwnLimits
from openoutcry.portal.accounts.papers import Papers, keep_place
from openoutcry.portal.accounts.passkeys import Passkeys
from openoutcry.portal.accounts.passwords import Passwords
from openoutcry.portal.accounts.provider import Provider, ProviderSettings
from openoutcry.portal.accounts.reviews import Reviews, reviewer_of
from openoutcry.portal.accounts.routes import add_accounts, problem
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.child import Child
from openoutcry.portal.database import (
    AGAIN_S,
    Database,
    DatabaseError,
    migrate,
    start_embedded,
)
from openoutcry.portal.faults import PortalFaults
from openoutcry.portal.folder import folder_of, make_folder, write_levels
from openoutcry.portal.history.pages import Pages
from openoutcry.portal.money.transfers import Transfers
from openoutcry.portal.money.withdrawals import Withdrawals
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.documents import add_documents
from openoutcry.portal.native.history_routes import NativeHistory, add_history
from openoutcry.portal.native.idempotency import Once, route_class
from openoutcry.portal.native.limit_routes import NativeLimits, add_limits
from openoutcry.portal.native.margin_routes import NativeMargin, add_margin
from openoutcry.portal.native.markets import NativeMarkets
from openoutcry.portal.native.notice_routes import NativeNotices, add_notices
from openoutcry.portal.native.operator_routes import NativeOperators, add_operators
from openoutcry.portal.native.order_lists import NativeOrderLists
from openoutcry.portal.native.orders import NativeOrders
from openoutcry.portal.native.portfolio_routes import NativePortfolio, add_portfolio
from openoutcry.portal.native.problems import BINANCE_PATHS, add_problems, refused_at
from openoutcry.portal.native.proof_routes import NativeProofs, Proofs, add_proofs
from openoutcry.portal.native.quote_door import QuoteDoor
from openoutcry.portal.native.quote_routes import NativeQuotes, add_quotes
from openoutcry.portal.native.routes import Native, add_native
from openoutcry.portal.native.status_routes import NativeStatus, add_status
from openoutcry.portal.native.stream import NativeFeeds, add_stream
from openoutcry.portal.native.sub_accounts import Subs, add_sub_accounts
from openoutcry.portal.notices.announcements import Announcements
from openoutcry.portal.notices.margin_warnings import MarginWarnings
from openoutcry.portal.notices.notices import Notices
from openoutcry.portal.observed import Metrics, Observed, tracer_of
from openoutcry.portal.page.routes import add_page
from openoutcry.portal.pings import PING_S, PONG_S, Pings
from openoutcry.portal.portfolio.desk import Desk
from openoutcry.portal.quotes.books import MadeBooks
from openoutcry.portal.quotes.quotes import Quotes
from openoutcry.portal.settings import PortalFile, read_portal_file
from openoutcry.portal.shared_table import Table
from openoutcry.portal.spot.api import Spot
from openoutcry.portal.spot.capital import Capital
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.feeds import Feeds, Queue
from openoutcry.portal.spot.http import (
    BODY_BYTES,
    BODY_S,
    NOT_PROCESSED,
    NOT_SERVED,
    TOO_LATE,
    Answer,
    Requests,
    protocol_of,
    refusal_of,
    too_large,
)
from openoutcry.portal.spot.limits import SUBJECTS, Limits
from openoutcry.portal.spot.rest import Endpoint, endpoints_of
from openoutcry.portal.spot.signing import REMEMBERED, Replays, Signing
from openoutcry.portal.spot.sockets import (
    HEAR_NOW,
    SEND_NOW,
    TAKE_NOW,
    Connections,
    sockets_of,
)
from openoutcry.portal.spot.sub_accounts import SubAccountsApi
from openoutcry.portal.spot.trade import SpotOrders
from openoutcry.portal.spot.user_data import MAX_KEYS, ListenKeys, UserData
from openoutcry.portal.trading.broker import Broker, read_passwords
from openoutcry.portal.trading.holds import Holds
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.peer_broker import PeerBroker
from openoutcry.portal.trading.people import People
from openoutcry.portal.trading.released import Released, ReleasedMemory
from openoutcry.portal.trading.service import OrderService
from openoutcry.portal.trading.session_broker import SessionBroker
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import ParticipantStatus
from openoutcry.risk.region import View
from openoutcry.risk.snapshot import NeverStill
from openoutcry.venue.file import VenueFile
from openoutcry.venue.position_messages import Positions
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.load_limits import SharedPlaces
from openoutcry.wire.peers import HERE, owner_of

Announce = Callable[[str], Any]
MAX_OF_AN_ADDRESS = 300
"""Connections of one address on which something was asked; and as many that are answered now."""
HEALTH = "/healthz"
"""Its requests count nothing."""
OF_OPERATORS = HEALTH, "/readyz", "/metrics"
"""Paths that say how the portal is."""
WAITING = 503, "unavailable", "the portal reads the venue's journal again"
IDLE_S, LOOK_S = 0.003, 0.5
"""Seconds between two looks for what is released, and for the venue's process.  Answers of the
portal's sessions are read as they come."""
HISTORY_S = 60.0
"""How long the portal waits at its start for the history to come to the journal's begin."""
WORK_S, QUIET_S = 0.05, 0.1
"""The portal looks each IDLE_S while an answer is waited for, and for WORK_S after the venue's
stages had work.  Else it sleeps until they have work again, for QUIET_S at a time."""
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Settings:
    """Settings that an operator chooses."""

    database: str = ""
    """A URL; nothing: a PostgreSQL that the portal starts."""
    smtp: MailServer | None = None
    sender: str = "openoutcry@localhost"
    file: Path | None = None
    """``portal.toml``: networks, levels, limits, addresses."""
    faults: PortalFaults | None = None
    """What goes wrong on purpose, at a test venue."""


class Shared:
    """State that the processes of a portal share, made before they start."""

    def __init__(self, count: int, folder: Path) -> None:
        self.counts, self.replays = (Table(one, count > 1) for one in (SUBJECTS, REMEMBERED))
        # Clients subscribe by the same listen key again when a portal that died is there again.
        key = SecretKey(folder / "portal.key").derived("table of listen keys")
        self.listen_keys = Table(MAX_KEYS, True, folder / "listen_keys", key)
        places = [SharedPlaces() if count > 1 else None for _ in range(3 + 2)]
        self.of_books, self.of_papers, self.of_passwords = places[:3], places[3], places[4]
        """Places of users and addresses for long work."""
        self.released = ReleasedMemory(folder)


@dataclass(frozen=True)
class Place:
    """A process in its portal: which one of how many it is, and what they share."""

    url: str
    """URL of the database, which is running and has its schema."""
    shared: Shared
    index: int = 0
    count: int = 1


@contextlib.contextmanager
def opened(file: VenueFile, settings: Settings, count: int) -> Iterator[Place]:
    """The portal's folder and database, for as long as this lasts, and the first of the places of
    ``count`` processes.  Raises :class:`OutcryError`."""
    if file.delayed:
        raise OutcryError(f"{file.path}: [venue] speed_bump_us: a portal shows no orders that wait")
    folder, server, url = folder_of(file), None, settings.database
    make_folder(folder)
    if not url:
        url, server = start_embedded(folder / "postgresql")
    try:
        migrate(url)
        yield Place(url, Shared(count, folder), count=count)
    finally:
        if server is not None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended before us
                server.cleanup()


def _sender_of(settings: Settings, folder: Path) -> Send:
    """Sends mails by the server that the settings name, or keeps them in a file."""
    if settings.smtp is not None:
        return by_smtp(settings.smtp, settings.sender)
    return to_file(folder / "mails.jsonl")


class Portal:
    """Accounts, the mirror of the venue, and the API in front of both."""

    is_carried_over = False
    """Whether it has ended because the venue's file is another one."""
    leave: Callable[[], None] = staticmethod(lambda: None)
    """Ends it."""

    def __init__(self, file: VenueFile, settings: Settings, place: Place) -> None:
        """Raises :class:`OutcryError`."""
        self.file, self.folder, self.place = file, folder_of(file), place
        self.database, shared, self.faults = Database(place.url), place.shared, settings.faults
        self.source = Released(file, shared.released)
        self.history = Child(file, place.url, "history")
        self.notifier = Child(file, place.url, "notifier", *_notifier_options(settings))
        self.books = [Desk(file, place.url, places) for places in shared.of_books]
        assets = Markets(file).assets
        self.choices = read_portal_file(settings.file, assets) if settings.file else PortalFile()
        keys = read_passwords(self.folder / "sessions.json")
        own = SessionBroker(file, keys, self.choices.venue)
        self.broker: Broker = own
        if place.count > 1:
            self.broker = PeerBroker(own, place.index, place.count, self.folder)
        self.mirror = Mirror(self.source, self.broker.serves)
        self._wake = asyncio.Event()
        self.broker.heard = lambda participant: self._see()
        self.order_service = OrderService(self.mirror, self.broker, self._keep_looking)
        key = SecretKey(self.folder / "portal.key")
        self.accounts = self._accounts(key, settings)
        self.keys = ApiKeys(self.accounts)
        self.people = People(file, self.database, own.participants, key)
        self.accounts.verified = lambda user_id: self.people.wake()
        self.accounts.status_of = self._status_of
        self.signing = Signing(self.keys, self.choices, Replays(shared.replays, shared.counts))
        limits = limits_of(self.choices, shared.counts, file, own.session_of)
        self.spot = Spot(self.mirror, SpotOrders(self.order_service), self.signing, limits)
        self.pages = Pages(self.database)
        self.spot.past.history = self.pages
        self.spot.day_balances = self.pages.balances
        known = shared.listen_keys, key.derived("listen keys")
        self.spot.listen_keys = ListenKeys(self.keys.is_in_force, time.time, *known)
        self.withdrawals = Withdrawals(self.accounts, self.mirror, self.choices)
        self.spot.capital = Capital(self.withdrawals)
        self.subs = SubAccounts(self.accounts)
        self.transfers = Transfers(self.accounts, self.mirror)
        self.own_limits = OwnLimits(file, self.accounts, self.mirror.markets)
        self.spot.subs = SubAccountsApi(self.subs, self.transfers)
        self.metrics, self.connections = Metrics(), Connections()
        self.native = self._native()
        self.more = self._more()
        reviewer = reviewer_of(self.choices.reviewer)
        self.reviews = Reviews(self.more.identities, reviewer) if reviewer else None
        callers, orders = self.native.callers, self.native.orders
        notices = Notices(self.accounts, self.mirror, file, self.choices)
        self.native_history = NativeHistory(callers, orders, self.pages)
        self.portfolio = NativePortfolio(callers, orders, *self.books[:2])
        self.notices = NativeNotices(callers, orders, notices)
        holds = Holds(file, self.database, self._status_of, self._has_orders)
        parts = self.books[2], self.keys, self.withdrawals, holds
        self.operators = NativeOperators(Operators(self.accounts), self.mirror, *parts)
        last_look_ms = self.choices.last_look_ms
        self.quotes = Quotes(self.database, self.mirror, self.choices.makers, last_look_ms)
        self.native_quotes = NativeQuotes(callers, orders, self.quotes)
        self.quote_door = self._quote_door() if place.index == 0 else None
        self.made = MadeBooks(self.mirror, self.choices.synthetic, self.choices.routes)
        self.native_feeds = NativeFeeds(
            self.mirror, orders, self.native.markets, notices, self.native_quotes, self.made
        )
        self.feeds, self.user_data = Feeds(self.mirror), UserData(self.mirror)
        self._work_until_s = self._looked_s = self._look_s = 0.0

    @cached_property
    def margin(self) -> NativeMargin:
        """The routes of scenario margin."""
        return NativeMargin(self.native.callers, self.mirror, self.books[0])

    def _accounts(self, key: SecretKey, settings: Settings) -> Accounts:
        made_of = self.database, key, _sender_of(settings, self.folder), self.file.name
        wait = timedelta(seconds=self.choices.identity_wait_s)
        levels = [level.number for level in self.choices.levels]
        write_levels(self.folder, levels)
        accounts = Accounts(
            *made_of,
            Passwords(places=self.place.shared.of_passwords),
            wait=wait,
            origin=self.choices.identity_page or ORIGIN,
            levels=levels,
        )
        accounts.undone = self._undone
        return accounts

    async def _undone(self, user_id: int) -> None:
        """End what an account has at the venue whose changes of identity were undone."""
        self.keys.forget()
        self.withdrawals.wake()
        await self.operators.holds.go_on(user_id)
        self.keys.forget()

    def _native(self) -> Native:
        callers = Callers(self.accounts, self.signing, self.choices)
        callers.status_of = self._status_of
        if self.place.count > 1:
            self.spot.see = callers.see = self._see
        orders = NativeOrders(self.order_service)
        markets = NativeMarkets(orders, self.spot.past)
        lists, limits = NativeOrderLists(orders), self.spot.limits
        return Native(callers, orders, lists, markets, self.withdrawals, limits)

    def _quote_door(self) -> QuoteDoor | None:
        """Return where requests for quotes are taken over FIX."""
        address = self.choices.fix
        if address is None:
            return None

        def count(client: str, weight: int) -> None:
            if client not in HERE:  # a proxy on this host speaks for all its clients
                self.spot.limits.take(client, weight)

        made_of = self.native_quotes, self.native.callers, self.file.name, address
        held = Positions(self.file, self._held) if self.file.risk.contracts else None
        return QuoteDoor(*made_of, self.choices.serves, count, held, self.margin.views)

    @contextlib.contextmanager
    def _held(self, participant: int) -> Iterator[tuple[View, int] | None]:
        """Give what is released, and after which command; it stays so meanwhile.  Raises
        :class:`NeverStill`."""
        if self.source.is_restarting:
            raise NeverStill(WAITING[2])
        with self.mirror.as_of_seq(), self.mirror.held() as state:
            yield None if state is None else (state.view, self.mirror.seq)

    def _more(self) -> More:
        choices = self.choices
        papers = Papers(self.folder / "papers", choices.bucket, self.place.shared.of_papers)
        keep_place(self.folder, choices.bucket)
        provider = None
        if choices.provider:
            secret = self.file.path.parent / choices.provider["secret_file"]
            names = choices.provider["issuer"], choices.provider["client_id"]
            provider = ProviderSettings(*names, secret, choices.provider["redirect"])
        return More(
            self.accounts,
            Passkeys(self.accounts, choices.passkey_domain, list(choices.passkey_origins)),
            Provider(self.accounts, provider),
            Identities(self.accounts, papers, Sanctions(choices.sanctions)),
            Challenges(self.accounts, choices.challenge_cost),
        )

    def offers(self) -> dict[str, Any]:
        """Return what the page needs before its first request."""
        choices = self.choices
        return {
            "name": self.file.shown_name,
            "passkeys": bool(choices.passkey_domain),
            "provider": bool(choices.provider),
            "makers": list(choices.makers),
            "books": self.made.names(),
            "proofs": choices.proofs is not None,
            "contracts": list(self.file.risk.contracts) if self.margin.is_offered else [],
            "levels": [{"number": level.number, "name": level.name} for level in choices.levels],
            "networks": [
                {"asset": network.asset, "name": network.name, "listed": bool(network.chain)}
                for network in choices.networks
                if network.withdraws
            ],
        }

    def _has_orders(self, participant: int) -> bool:
        """Return whether a participant has open orders in the core."""
        self._see()
        with self.mirror.held() as state:
            if state is None or participant >= len(state.view.participants):
                return False
            return bool(state.view.of(participant, lay.OPEN))

    def _status_of(self, participant: int) -> ParticipantStatus:
        """Status of a participant in the core; one that bars it is looked up again, because it may
        just have ended."""
        status = ParticipantStatus.FILED
        for is_last in (False, True):
            with self.mirror.held() as state:
                if state is not None and participant < len(state.view.participants):
                    status = ParticipantStatus(state.view.of(participant, lay.STATUS))
            if is_last or status in (ParticipantStatus.FILED, ParticipantStatus.ACTIVE):
                break
            self._see()
        return status

    def _see(self) -> None:
        """Take what is released by now, also of a venue that has just begun again: it has said
        something, or another process may have shown it to its client already."""
        with contextlib.suppress(OutcryError):  # follow() reports it
            if self.source.has_lost_venue:
                self.source.look()
            has_new = self.mirror.poll()
            self._looked_s = time.monotonic()
            if has_new:
                self._keep_looking()

    def _keep_looking(self) -> None:
        """There is work: :meth:`follow` looks often."""
        now_s = time.monotonic()
        if now_s >= self._work_until_s:
            self._wake.set()
        self._work_until_s = now_s + WORK_S

    async def follow(self) -> None:
        """Bring the mirror to what is released, again and again; until cancelled."""
        loop = asyncio.get_running_loop()
        last_error = ""
        while True:
            try:
                now_s = time.monotonic()
                if now_s >= self._look_s:
                    self.source.look()
                    self._look_s = now_s + LOOK_S
                    if self.source.is_carried_over:
                        log.warning("the venue continues with another file; so does the portal")
                        self.is_carried_over = True
                        self.leave()
                        return
                if self.mirror.poll():
                    self._work_until_s = time.monotonic() + WORK_S
                last_error = ""
            except OutcryError as error:
                if str(error) != last_error:
                    last_error = str(error)
                    log.error("the venue's journal: %s", error)
                await asyncio.sleep(LOOK_S)
            self._wake.clear()
            is_busy = self.order_service.waits or time.monotonic() < self._work_until_s
            pause_s = IDLE_S if is_busy else QUIET_S
            # wait_for would make a task each time
            self._timer = loop.call_later(pause_s, self._wake_if_due)
            await self._wake.wait()
            self._timer.cancel()

    def _wake_if_due(self) -> None:
        """Have :meth:`follow` look, unless a session's message has made the portal look within
        IDLE_S."""
        now_s = time.monotonic()
        left_s = self._looked_s + IDLE_S - now_s
        if left_s > 0 and now_s < self._look_s:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._wake_if_due)
        else:
            self._wake.set()

    async def follow_stages(self) -> None:
        """Have :meth:`follow` look as soon as the venue's stages have work; until cancelled."""
        while True:
            if await asyncio.to_thread(self.source.wait_for_work, QUIET_S):
                self._work_until_s = time.monotonic() + WORK_S
                self._wake.set()
            # Until then follow() looks often, and a thread would only take its time.
            while (left_s := self._work_until_s - time.monotonic()) > 0:
                await asyncio.sleep(left_s)

    @contextlib.asynccontextmanager
    async def running(self, app: Any) -> AsyncIterator[None]:
        """The application's life: the mirror has caught up before the first request."""
        self.source.look()
        history = [self.history.run()] if self.place.index == 0 else []
        tasks = [asyncio.create_task(one) for one in history]
        await self._restore_orders()
        await asyncio.to_thread(self._catch_up)
        await self.notices.notices.begin()
        await self.keys.learn()
        # What is here by now stays.  Looked through with the rest it is 0.1 s and more (measured:
        # 230,000 objects), for which every answer waits.
        gc.collect()
        gc.freeze()
        work = [
            self.follow(),
            self.follow_stages(),
            self.feeds.run(),
            self.user_data.run(),
            self.people.run(),
            self.withdrawals.run(),
            self.transfers.run(),
            self.native_feeds.run(),
            self.keys.follow(),
            self.native_feeds.follow_notices(),
            self.quotes.follow(),
            *([self.made.run()] if self.choices.routes else []),
        ]
        if self.place.index == 0:
            work += [self.notifier.run(), self.quotes.run()]
            work += [self.operators.holds.run(), self.own_limits.run()]
            work += [self.reviews.run()] if self.reviews else []
            # Without contracts nobody has a margin.
            if self.file.risk.contracts:
                work.append(MarginWarnings(self.database, self.mirror).run())
        if self.quote_door is not None:
            work.append(self.quote_door.run())
        if isinstance(self.broker, PeerBroker):
            await self.broker.listen()
        tasks += [asyncio.create_task(one) for one in work]
        for task in tasks:
            task.add_done_callback(_report_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.broker.close()
            await self.accounts.drain()
            for desk in self.books:
                await desk.close()
            await self.database.close()

    async def _restore_orders(self) -> None:
        """Restore the open orders that are older than the first command which the mirror reads:
        the history has them, once it has come so far."""
        mirror, history = self.mirror, self.pages
        if not await asyncio.to_thread(self.source.wait_until_begun):
            return
        if not mirror.begin() or not mirror.began_seq:
            return
        until_s = time.monotonic() + HISTORY_S
        seq, orders = await history.open_orders(mirror.began_seq)
        while seq < mirror.began_seq and time.monotonic() < until_s:
            await asyncio.sleep(QUIET_S)
            seq, orders = await history.open_orders(mirror.began_seq)
        if seq < mirror.began_seq:
            log.error("orders of before command %d are not shown: no history", mirror.began_seq)
            return
        await asyncio.to_thread(self._catch_up, seq)
        for order in orders:
            mirror.orders.restore(order)

    def _catch_up(self, until_seq: int = NO_LIMIT) -> None:
        while self.mirror.poll(until_seq) or self.source.is_restarting:
            time.sleep(IDLE_S if self.source.is_restarting else 0)


def _notifier_options(settings: Settings) -> list[str]:
    """The command line of the notifier, which sends mail as the portal does."""
    options = [f"--mail-from={settings.sender}"]
    server = settings.smtp
    if server is not None:
        options += [f"--smtp={server.host}:{server.port}", f"--smtp-tls={server.tls}"]
        if server.authorities is not None:
            options.append(f"--smtp-ca={server.authorities}")
    if settings.file is not None:
        options.append(f"--settings={settings.file}")
    return options


def _report_end(task: "asyncio.Task[None]") -> None:
    """A task that ends before it is cancelled is a defect: it is logged, and the portal ends."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("a task of the portal failed", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def make_app(portal: Portal) -> Any:
    """The application: accounts, REST and WebSockets."""
    from fastapi import FastAPI

    app = FastAPI(
        title=f"{portal.file.shown_name} portal",
        lifespan=portal.running,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    made_of = portal.native.callers, portal.operators.operators
    once = Once(portal.database, portal.accounts.key, *made_of)
    app.router.route_class = route_class(once, portal.spot.limits)
    add_problems(app)
    add_native(app, portal.native)
    add_history(app, portal.native_history)
    add_portfolio(app, portal.portfolio)
    add_margin(app, portal.margin)
    proofs = Proofs(portal.choices.proofs)
    add_proofs(app, NativeProofs(portal.native.callers, proofs, portal.subs))
    add_limits(app, NativeLimits(portal.native.callers, portal.own_limits, portal.subs))
    add_notices(app, portal.notices)
    add_operators(app, portal.operators)
    of_status = portal.native.markets, Announcements(portal.operators.operators)
    add_status(app, NativeStatus(portal.file.name, *of_status, portal.operators))
    add_quotes(app, portal.native_quotes)
    parts = portal.native.callers, portal.subs, portal.transfers, portal.keys, portal.mirror
    add_sub_accounts(app, Subs(*parts))
    add_stream(app, portal.native_feeds, portal.native.callers, portal.spot.limits)
    add_documents(app)
    add_accounts(app, portal.accounts, portal.keys, portal.more.challenges)
    add_more(app, portal.more)
    add_page(app, portal.accounts, portal.offers())
    _add_health(app, portal)
    tracer = tracer_of(portal.choices.traces, portal.file.name)
    socket_of = sockets_of(portal.spot, portal.feeds, portal.user_data, portal.connections)
    observed = Observed(with_sockets(app, socket_of), portal.metrics, tracer)
    is_test = portal.file.is_test
    serves, is_waiting = portal.choices.serves, lambda: portal.source.is_restarting
    gate = Gate(observed, portal.spot.limits, serves, is_test, is_waiting)
    gate.requests = gate.requests_of(endpoints_of(portal.spot), portal.metrics, tracer)
    return gate


def with_sockets(
    app: Any, socket_of: Callable[[str], Callable[[Any], Awaitable[None]] | None]
) -> Any:
    """Return an ASGI application whose WebSockets are served by what ``socket_of`` names for their
    path, past the application's search among all its routes; ``app`` serves all else."""

    async def serving(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and (serve := socket_of(scope["path"])):
            from fastapi import WebSocket

            await serve(WebSocket(scope, receive, send))
            return
        await app(scope, receive, send)

    return serving


def not_processed(scope: Any) -> Any:
    """The answer to a request that could not be processed."""
    return refused_at(scope, *NOT_PROCESSED)


def _add_health(app: Any, portal: Portal) -> None:
    from fastapi import Request, Response

    @app.exception_handler(Exception)
    async def wrong(request: Any, error: Exception) -> Any:
        """The gate logs it."""
        return not_processed(request.scope)

    @app.exception_handler(ClientGone)
    async def gone(request: Any, error: ClientGone) -> Any:
        """The gate answers, if there is a client left."""
        return refused_at(request.scope, 400, "cut_off", "the body was cut off")

    @app.exception_handler(DatabaseError)
    async def no_database(request: Any, error: DatabaseError) -> Any:
        log.error("%s", error)
        text = "the portal's database cannot be reached"
        headers = {"retry-after": str(AGAIN_S)}
        return refused_at(request.scope, 503, "unavailable", text, headers)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Any:
        address = request.client.host if request.client else ""
        if not portal.choices.may_scrape(address):
            return problem(403, "forbidden", "metrics are not available to your address")
        return Response(portal.metrics.shown(), 200, None, "text/plain; version=0.0.4")

    @app.get(HEALTH, include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        await portal.database.rows("select 1")
        is_ready = portal.mirror.is_open
        response.status_code = 200 if is_ready else 503
        where = {"process": portal.place.index, "processes": portal.place.count}
        return {"venue": portal.mirror.state, "seq": portal.mirror.seq} | where


class ClientGone(Exception):
    """The rest of a body is not read."""


class Gate:
    """An ASGI middleware: counts what no table of the API counts, bounds a body, and sets headers
    of every answer.  What fails is one line a minute in the log."""

    MARK = (b"x-test-venue", b"yes")
    """The header of every answer at a test venue."""
    HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    OVER_TLS = (b"strict-transport-security", b"max-age=31536000")

    def __init__(
        self,
        app: Any,
        limits: Limits,
        serves: Callable[[str], bool] = lambda address: True,
        is_test: bool = False,
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        """``serves``: whether requests from an address are answered; ``is_test``: the venue is one
        for tests; ``is_waiting``: whether nothing can be answered of the venue for a while."""
        self.app, self.limits, self.serves = app, limits, serves
        self.is_waiting = is_waiting
        self.mark = (self.MARK,) if is_test else ()
        self.known: Callable[[tuple[str, int], str], None] = lambda peer, owner: None
        """Called with the address and port of a connection on which a request came, and whose."""
        self.errors = PageErrors(lambda level, text: log.error("%s", text))
        self.requests: Requests | None = None
        """Those of the trading API, which do not come through here."""

    def requests_of(
        self,
        endpoints: Mapping[tuple[str, str], Endpoint],
        metrics: Metrics,
        tracer: Any = None,
    ) -> Requests:
        """Return what answers requests of the trading API, by the same rules."""

        scope = {"path": BINANCE_PATHS[0]}

        def refused(status: int, code: str, text: str) -> Answer:
            return shown(refused_at(scope, status, code, text))

        def counted(address: str) -> Answer | None:
            over = self._counted(scope, address)
            return None if over is None else shown(over)

        def shown(answer: Any) -> Answer:
            headers = [header for header in answer.raw_headers if header[0] != b"content-length"]
            return answer.status_code, headers, answer.body

        bounds = self.headers_of, self._barred, metrics.took, refused
        return Requests(endpoints, *bounds, partial(self._log, "http"), counted, tracer)

    def _counted(self, scope: Any, address: str) -> Any:
        """Count a request; return the answer to an address that is over its limit."""
        if address in HERE or scope["path"] == HEALTH:
            return None
        try:
            self.limits.take(address, 1)
        except ApiError as error:
            headers = {"retry-after": str(error.retry_after_s)}
            return refused_at(scope, error.status, "too_many_requests", error.text, headers)
        return None

    def _barred(self, peer: tuple[str, int]) -> tuple[int, str, str] | None:
        """Return why a request of this address is not processed."""
        if not self._admits(peer):
            return NOT_SERVED
        return WAITING if self.is_waiting() else None

    def _admits(self, peer: tuple[str, int]) -> bool:
        """Return whether requests of this address are answered; its connection is one with
        requests."""
        if not self.serves(peer[0]):
            return False
        # A proxy on this host speaks for all its clients.
        self.known(peer, owner_of(peer[0]) if peer[0] not in HERE else f"{peer}")
        return True

    def headers_of(self, scheme: str) -> list[tuple[bytes, bytes]]:
        """Headers of every answer."""
        return [*self.HEADERS, *self.mark, *([self.OVER_TLS] if scheme == "https" else [])]

    def _log(self, kind: str, error: Exception) -> None:
        if not isinstance(error, ClientGone):
            text, trace = "%s failed", (type(error), error, error.__traceback__)
            self.errors.handle(log.makeRecord(log.name, logging.ERROR, "", 0, text, (kind,), trace))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        peer = tuple(scope.get("client") or ("", 0))
        if scope["type"] == "http" or self.mark:
            send = self._headed(scope, send)
        if not self._admits(peer):
            await _refuse(scope, receive, send)
            return
        if scope["type"] == "http" and self.is_waiting() and scope["path"] not in OF_OPERATORS:
            await refused_at(scope, *WAITING)(scope, receive, send)
            return
        try:
            if scope["type"] == "http":
                await self._guarded(scope, receive, send, peer[0])
            else:
                await self.app(scope, receive, send)
        except Exception as error:  # whatever a request brings about ends that request alone
            self._log(scope["type"], error)

    def _headed(self, scope: Any, send: Any) -> Any:
        """``send`` with the headers of every answer."""
        more = self.headers_of(scope.get("scheme", "http"))

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                known = {name.lower() for name, _ in given}
                headers = [*given, *(one for one in more if one[0] not in known)]
                message = message | {"headers": headers}
            elif message["type"] == "websocket.accept":
                message = message | {"headers": [*message.get("headers", ()), *self.mark]}
            await send(message)

        return sending

    async def _guarded(self, scope: Any, receive: Any, send: Any, address: str) -> None:
        size, is_whole, is_begun = 0, False, False
        refusal: Any = None
        most = LARGEST_PAPER if scope["path"] == LARGE_BODY else BODY_BYTES

        async def bounded() -> Any:
            nonlocal size, is_whole, refusal
            if is_whole:
                return await receive()
            message, refusal = await _part_of_body(scope, receive)
            if refusal is not None:
                raise ClientGone
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if size > most:
                refusal = large()
                raise ClientGone
            return message

        async def answered(message: Any) -> None:
            nonlocal is_begun
            if refusal is not None and not is_begun:
                return  # what the application makes of a body that was cut off
            is_begun = is_begun or message["type"] == "http.response.start"
            try:
                await send(message)
            except Exception as error:
                # The server has answered bytes that are no HTTP by itself, and closes.
                if "state=" in str(error) and type(error).__name__ == "LocalProtocolError":
                    raise ClientGone from None
                raise

        def large() -> Any:
            return refused_at(scope, *too_large(most))

        if (over := self._counted(scope, address)) is not None:
            await over(scope, receive, answered)
            return
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > most:
            await large()(scope, receive, answered)
            return
        with contextlib.suppress(ClientGone):
            await self.app(scope, bounded, answered)
        if refusal is not None and not is_begun:
            answer, refusal = refusal, None
            await answer(scope, receive, answered)


async def _part_of_body(scope: Any, receive: Any) -> tuple[Any, Any]:
    """The next message of a body, or the answer to one that does not come."""
    try:
        async with asyncio.timeout(BODY_S):  # wait_for would make a task each time
            message = await receive()
    except TimeoutError:
        return None, refused_at(scope, *TOO_LATE)
    if message["type"] == "http.disconnect":
        return None, refused_at(scope, 400, "cut_off", "the body was cut off")
    return message, None


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """A request, or a WebSocket, from an address that is not served."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    answer = refused_at(scope, *NOT_SERVED)
    await answer(scope, receive, send)


def limits_of(
    choices: PortalFile,
    counts: Table,
    file: VenueFile,
    session_of: Callable[[int], int],
) -> Limits:
    """The rate limits of a portal file; ``counts`` is the table that all processes share."""
    capacity = file.sessions.token_capacity
    limits = choices.limits
    return Limits(
        limits.weight_a_minute,
        limits.orders_in_10_s,
        limits.orders_a_day,
        weights=limits.weights,
        key_weight_a_minute=limits.key_weight_a_minute,
        table=counts,
        names=capacity - (capacity >> 3),  # as order_entry/tokens.py gives away
        session_of=session_of,
    )


@lru_cache(maxsize=4)
def frame_of(text: str) -> bytes:
    """A text as a WebSocket frame of a server (RFC 6455)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 1 << 16:
        head = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + size.to_bytes(8, "big")
    return head + data


def text_pings(connections: ConnectionLimits) -> Any:
    """The listeners' protocol of WebSockets, with two changes beside its pings.  Texts can be sent
    at once, all in one write: an event of many connections is made a frame once.  A text that comes
    while the application waits for one can be handed over at once, without a turn of its task."""
    from openoutcry.operations.websocket_protocol import weighed

    class OfPortal(Pings, weighed(connections)):  # type: ignore[misc]
        frames: list[bytes]
        take: Callable[[str], bool] | None = None
        """Takes a text at once; False: it waits its turn in the queue."""

        def handle_connect(self, event: Any) -> None:
            self.queue = Queue()
            super().handle_connect(event)
            if (scope := getattr(self, "scope", None)) is not None:
                scope["extensions"] |= {
                    SEND_NOW: self.send_now,
                    TAKE_NOW: self.take_now,
                    HEAR_NOW: self.hear_now,
                }

        def take_now(self, take: Callable[[str], bool]) -> None:
            self.take = take

        def connection_lost(self, error: Exception | None) -> None:
            self.take = self.heard = None
            super().connection_lost(error)

        def send_receive_event_to_app(self) -> None:
            is_text = self.curr_msg_data_type == "text" and not self.close_sent
            if self.take is not None and is_text and self.queue.is_idle():
                with contextlib.suppress(UnicodeDecodeError):  # uvicorn ends the connection
                    if self.take(b"".join(self.frames).decode()):
                        self.frames = []
                        return
            super().send_receive_event_to_app()

        def start_keepalive(self) -> None:
            super().start_keepalive()
            self.response = None  # it was sent: thousands of them are megabytes

        def send_now(self, texts: list[str]) -> bool:
            """Return whether the texts were sent; False: the client does not read, or has gone."""
            is_open = self.handshake_complete and not self.close_sent and not self.disconnected
            if not is_open or not self.writable.is_set():
                return False
            self.transport.write(b"".join(map(frame_of, texts)))
            return True

    return OfPortal


def serve(
    portal: Portal, listener: Any, at: str, announce: Announce, tls: tuple[Path, Path] | None
) -> bool:
    """Serve at a socket until SIGTERM or SIGINT, or until the venue is carried over, which it
    returns; ``announce`` is given ``at``, its URL, once the portal answers.

    Raises :class:`OutcryError`."""
    from openoutcry.operations.http_protocol import counted

    if portal.quote_door is not None:
        portal.quote_door.secure(tls)
    application = make_app(portal)
    files = allow_files()
    connections = ConnectionLimits(MAX_WITHOUT_LOGIN, MAX_OF_AN_ADDRESS, files // 5)
    application.known = connections.known
    connections.refusal, connections.is_plain = refusal_of(portal.spot.limits), tls is None
    served = portal.faults.around(application) if portal.faults else application
    http = counted(connections)
    http = protocol_of(http, application.requests)
    config = web_config(
        served,
        connections,
        application.errors,
        tls_settings(*(tls or (None, None))),
        max(2_048, files // 2),
        http,
        ws=text_pings(connections),
        ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_S,
        ws_max_size=1 << 14,
    )
    server = server_of(config, lambda: announce(at), portal.connections.say_end)
    portal.leave = partial(setattr, server, "should_exit", True)
    server.run([connections.listener(listener)])
    return portal.is_carried_over
