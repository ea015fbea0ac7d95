"""What the portal's server does with notices: lists, settings, alerts, webhooks, subscriptions."""

import json
import secrets
from base64 import urlsafe_b64decode
from urllib.parse import urlsplit

from openoutcry.client import portal_models as models
from openoutcry.operations.outward import OutwardError
from openoutcry.portal.accounts.accounts import Accounts, add_notice, language_of_user
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest, NotFound
from openoutcry.portal.database import Row, lock_user, rows_of
from openoutcry.portal.notices.channels import public_key_of, vapid_of
from openoutcry.portal.notices.margin_warnings import ordered_levels
from openoutcry.portal.notices.news import NEW_JOURNAL
from openoutcry.portal.notices.notifier import key_file, outward_of
from openoutcry.portal.notices.quiet import next_summary, time_of, zone_of
from openoutcry.portal.notices.words import CHANNELS, EVENTS, of_test
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.venue.file import VenueFile
from openoutcry.wire.decimals import AmountError
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.text import printable

MOST_ALERTS, MOST_SUBSCRIPTIONS = 200, 20
SUMMARIES = ("", "daily", "weekly")
DIRECTIONS = ("above", "below")
POINT_BYTES, AUTH_BYTES = 65, 16


FIRED_LONG_AGO = """
    with fired as (select id from price_alerts where user_id = %(user)s and fired_at is not null
        order by id desc offset %(most)s)
    delete from price_alerts where id in (select id from fired)
"""


class NotOffered(AccountError):
    """The operator has not configured this channel."""

    status, code = 404, "not_offered"


def notification_row(row: Row) -> models.Notification:
    """A notice as the API shows it."""
    return models.Notification(
        row["key"],
        row["id"],
        row["event"],
        row["title"],
        row["body"],
        row["data"],
        row["created_at"],
        row["read_at"],
    )


class Notices:
    """The notices of all users of a portal."""

    def __init__(
        self, accounts: Accounts, mirror: Mirror, file: VenueFile, choices: PortalFile
    ) -> None:
        self.accounts, self.database, self.mirror = accounts, accounts.database, mirror
        self.file, self.outward = file, outward_of(choices)

    async def begin(self) -> None:
        """Skip what the venue did before the portal's first start."""
        if self.mirror.journal_id:
            journal = f"{self.mirror.journal_id & 2**64 - 1:016x}"
            await self.database.rows(NEW_JOURNAL, journal=journal, seq=self.mirror.seq)

    # The list

    async def page(self, user_id: int, unread: bool, before: int, most: int) -> list[Row]:
        """The newest first; ``before``: with a smaller number, 0: all."""
        query = """
            select * from notices where user_id = %(user)s and 'app' = any(channels)
              and (%(before)s = 0 or id < %(before)s) and (not %(unread)s or read_at is null)
            order by id desc limit %(most)s
        """
        values = {"user": user_id, "unread": unread, "before": before, "most": most}
        return await self.database.rows(query, **values)

    async def after(self, user_id: int, number: int, most: int) -> list[Row]:
        """Return the notices after a number, in order."""
        query = """
            select * from notices where user_id = %(user)s and 'app' = any(channels)
              and id > %(number)s order by id limit %(most)s
        """
        return await self.database.rows(query, user=user_id, number=number, most=most)

    async def unread(self, user_id: int) -> int:
        """Return how many notices of the list the user has not read."""
        query = """
            select count(*) as count from notices
            where user_id = %(user)s and read_at is null and 'app' = any(channels)
        """
        row = await self.database.row(query, user=user_id)
        return int(row["count"]) if row else 0

    async def read(self, user_id: int, until: int) -> None:
        """Mark notices up to the number ``until`` as read."""
        query = """
            update notices set read_at = %(now)s
            where user_id = %(user)s and id <= %(until)s and read_at is null
        """
        await self.database.rows(query, user=user_id, until=until, now=self.accounts.now())

    # Settings

    async def settings(self, user_id: int) -> models.NotificationSettings:
        """The user's settings, with the defaults for what was not chosen."""
        query = """
            select event, default_channels(event) as channels
            from unnest(%(events)s::text[]) as event
        """
        defaults = await self.database.rows(query, events=list(EVENTS))
        events = {row["event"]: list(row["channels"]) for row in defaults}
        row = await self.database.row(
            "select * from notice_settings where user_id = %(user)s", user=user_id
        )
        if row is None:
            currency = self.mirror.markets.all[0].quote
            return models.NotificationSettings(events, "", "", "Etc/UTC", "", "08:00", currency, [])
        return models.NotificationSettings(
            events | row["events"],
            row["quiet_from"],
            row["quiet_until"],
            row["time_zone"],
            row["summary"],
            row["summary_at"],
            row["currency"] or self.mirror.markets.all[0].quote,
            row["margin_levels"],
        )

    async def choose(
        self, user_id: int, chosen: models.NotificationSettings, keeps_levels: bool = False
    ) -> None:
        """``keeps_levels``: the margin's levels stay as they are.  Raises
        :class:`InvalidRequest`."""
        levels = ordered_levels(chosen.margin_levels)
        for event, channels in chosen.events.items():
            if event not in EVENTS:
                raise InvalidRequest(f"events: there is no {event!r}; there are {EVENTS}")
            unknown = set(channels) - set(CHANNELS)
            if unknown:
                raise InvalidRequest(f"events: there is no channel {min(unknown)!r}")
        if chosen.summary not in SUMMARIES:
            raise InvalidRequest("summary: daily, weekly or nothing")
        if bool(chosen.quiet_from) != bool(chosen.quiet_until):
            raise InvalidRequest("quiet_from, quiet_until: both, or neither")
        if chosen.currency not in self.mirror.markets.assets:
            raise InvalidRequest("currency: there is no such asset")
        try:
            zone_of(chosen.time_zone)
            for text in (chosen.quiet_from, chosen.quiet_until):
                if text:
                    time_of(text)
            time_of(chosen.summary_at)
            terms = chosen.summary, chosen.summary_at, chosen.time_zone
            due = next_summary(self.accounts.now(), *terms)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        query = """
            insert into notice_settings (user_id, events, quiet_from, quiet_until, time_zone,
                summary, summary_at, summary_next, currency, margin_levels)
            values (%(user)s, %(events)s, %(from)s, %(until)s, %(zone)s, %(summary)s, %(at)s,
                %(due)s, %(currency)s, %(levels)s::integer[])
            on conflict (user_id) do update set events = excluded.events,
                quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
                time_zone = excluded.time_zone, summary = excluded.summary,
                summary_at = excluded.summary_at, summary_next = excluded.summary_next,
                currency = excluded.currency, margin_levels = case when %(keeps_levels)s
                    then notice_settings.margin_levels else excluded.margin_levels end
        """
        events = {event: sorted(set(channels)) for event, channels in chosen.events.items()}
        values = {
            "user": user_id,
            "events": json.dumps(events),
            "from": chosen.quiet_from,
            "until": chosen.quiet_until,
            "zone": chosen.time_zone,
            "summary": chosen.summary,
            "at": chosen.summary_at,
            "due": due if chosen.summary else None,
            "currency": chosen.currency,
            "levels": levels,
            "keeps_levels": keeps_levels,
        }
        async with self.database.transaction() as connection:
            await rows_of(connection, query, values)
            # What waited for the end of the quiet hours that were is looked at again.
            again = """
                update notice_targets set next_at = now()
                where user_id = %(user)s and tries = 0
            """
            await rows_of(connection, again, values)

    # Price alerts

    async def alerts(self, user_id: int) -> list[models.PriceAlert]:
        """The user's price alerts, the newest first, those that have fired too; 1,000 at most."""
        query = "select * from price_alerts where user_id = %(user)s order by id desc limit 1000"
        return [self._alert(row) for row in await self.database.rows(query, user=user_id)]

    def _alert(self, row: Row) -> models.PriceAlert:
        market = self.mirror.markets.by_index[row["instrument"]]
        ticks = row["fired_ticks"]
        return models.PriceAlert(
            row["id"],
            row["symbol"],
            row["direction"],
            market.price(row["price_ticks"]),
            row["created_at"],
            row["fired_at"],
            None if ticks is None else market.price(ticks),
        )

    async def new_alert(
        self, user_id: int, market: Market, direction: str, price: str
    ) -> models.PriceAlert:
        """Set an alert for trades from now on.  Raises :class:`InvalidRequest`."""
        if direction not in DIRECTIONS:
            raise InvalidRequest("direction: above or below")
        try:
            ticks = market.ticks_of(price)
        except AmountError as error:
            raise InvalidRequest(f"price: {error}") from None
        if not 0 < ticks < 2**62:
            raise InvalidRequest("price: must be more than 0")
        query = """
            insert into price_alerts (user_id, instrument, symbol, direction, price_ticks,
                created_seq, created_at)
            select %(user)s, %(index)s, %(symbol)s, %(direction)s, %(ticks)s, %(seq)s, %(now)s
            where (select count(*) from price_alerts
                where user_id = %(user)s and fired_at is null) < %(most)s
            returning *
        """
        values = {
            "user": user_id,
            "index": market.index,
            "symbol": market.symbol,
            "direction": direction,
            "ticks": ticks,
            "seq": self.mirror.seq,
            "now": self.accounts.now(),
            "most": MOST_ALERTS,
        }
        async with self.database.transaction() as connection:
            await lock_user(connection, user_id)
            rows = await rows_of(connection, query, values)
            await rows_of(connection, FIRED_LONG_AGO, values)
        if not rows:
            raise InvalidRequest(f"an account has {MOST_ALERTS} alerts at most: delete one")
        return self._alert(rows[0])

    async def forget_alert(self, user_id: int, number: int) -> None:
        """Raises :class:`NotFound` also for one of another user."""
        query = "delete from price_alerts where id = %(id)s and user_id = %(user)s returning id"
        if not await self.database.rows(query, id=number, user=user_id):
            raise NotFound("there is no such alert")

    # Webhook

    async def webhook(self, user_id: int, secret: str | None = None) -> models.Webhook:
        """The webhook's URL and state: none, on or failing, with the last error.

        ``secret``: shown once, when it is made."""
        query = """
            select w.url, t.last_error from webhooks as w
            left join notice_targets as t on t.user_id = w.user_id and t.channel = 'webhook'
                and t.last_error <> ''
            where w.user_id = %(user)s limit 1
        """
        row = await self.database.row(query, user=user_id)
        if row is None:
            return models.Webhook("", "none", "", None)
        error = row["last_error"] or ""
        return models.Webhook(row["url"], "failing" if error else "on", error, secret)

    async def set_webhook(self, user_id: int, url: str) -> models.Webhook:
        """Raises :class:`InvalidRequest` for a URL that is not reached."""
        try:
            self.outward.check(url)
        except OutwardError as error:
            raise InvalidRequest(f"url: {error}") from None
        secret = secrets.token_urlsafe(32)
        query = """
            insert into webhooks (user_id, url, secret) values (%(user)s, %(url)s, %(secret)s)
            on conflict (user_id) do update set url = excluded.url, secret = excluded.secret
        """
        sealed = self.accounts.key.seal(secret.encode(), f"webhook {user_id}")
        again = """
            update notice_targets set next_at = now(), tries = 0, last_error = ''
            where user_id = %(user)s and channel = 'webhook'
        """
        async with self.database.transaction() as connection:
            await rows_of(connection, query, {"user": user_id, "url": url, "secret": sealed})
            await rows_of(connection, again, {"user": user_id})
        return await self.webhook(user_id, secret)

    async def forget_webhook(self, user_id: int) -> None:
        """Delete the webhook and what waits for it; nothing happens without one."""
        async with self.database.transaction() as connection:
            values = {"user": user_id}
            await rows_of(connection, "delete from webhooks where user_id = %(user)s", values)
            query = "delete from notice_targets where user_id = %(user)s and channel = 'webhook'"
            await rows_of(connection, query, values)

    async def test_webhook(self, user_id: int) -> None:
        """Raises :class:`NotFound` without a webhook."""
        if (await self.webhook(user_id)).state == "none":
            raise NotFound("there is no webhook")
        key = f"test-{secrets.token_hex(8)}"
        async with self.database.transaction() as connection:
            notice = of_test(key, await language_of_user(connection, user_id))
            await add_notice(connection, user_id, notice)

    # Web push

    def push_key(self) -> models.PushKey:
        """Raises :class:`NotOffered`."""
        try:
            return models.PushKey(public_key_of(vapid_of(key_file(self.file))))
        except OutcryError as error:
            raise NotOffered(str(error)) from None

    async def subscriptions(self, user_id: int) -> list[models.PushSubscription]:
        """Browsers that get web push, in the order in which they subscribed."""
        query = "select * from push_subscriptions where user_id = %(user)s order by id"
        return [_subscription(row) for row in await self.database.rows(query, user=user_id)]

    async def subscribe(
        self, user_id: int, endpoint: str, p256dh: str, auth: str, label: str
    ) -> models.PushSubscription:
        """Raises :class:`InvalidRequest`."""
        try:
            self.outward.check(endpoint)
            sizes = len(_decoded(p256dh)), len(_decoded(auth))
        except (OutwardError, ValueError) as error:
            raise InvalidRequest(f"endpoint, p256dh, auth: {error}") from None
        if sizes != (POINT_BYTES, AUTH_BYTES):
            raise InvalidRequest("p256dh, auth: those of PushSubscription.toJSON()")
        query = """
            insert into push_subscriptions (user_id, endpoint, p256dh, auth, label)
            select %(user)s, %(endpoint)s, %(p256dh)s, %(auth)s, %(label)s
            where (select count(*) from push_subscriptions where user_id = %(user)s) < %(most)s
            on conflict (user_id, endpoint) do update set
                p256dh = excluded.p256dh, auth = excluded.auth, label = excluded.label
            returning *
        """
        values = {
            "user": user_id,
            "endpoint": endpoint,
            "p256dh": p256dh,
            "auth": auth,
            "label": printable(label)[:100],
            "most": MOST_SUBSCRIPTIONS,
        }
        async with self.database.transaction() as connection:
            await lock_user(connection, user_id)
            rows = await rows_of(connection, query, values)
        if not rows:
            raise InvalidRequest(f"an account has {MOST_SUBSCRIPTIONS} subscriptions at most")
        return _subscription(rows[0])

    async def unsubscribe(self, user_id: int, number: int) -> None:
        """Raises :class:`NotFound` also for one of another user."""
        query = """
            delete from push_subscriptions where id = %(id)s and user_id = %(user)s returning id
        """
        if not await self.database.rows(query, id=number, user=user_id):
            raise NotFound("there is no such subscription")


def _subscription(row: Row) -> models.PushSubscription:
    host = urlsplit(row["endpoint"]).hostname or ""
    return models.PushSubscription(row["id"], host, row["label"], row["created_at"])


def _decoded(text: str) -> bytes:
    """Decode base64url.  Raises ValueError."""
    if len(text) > 200:
        raise ValueError("too long")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
