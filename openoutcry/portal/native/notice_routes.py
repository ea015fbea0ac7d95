"""The routes of notifications, price alerts, webhooks and web push."""

from dataclasses import asdict, dataclass
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.routes import DONE
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.body import Body
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.orders import NativeOrders
from openoutcry.portal.native.pages import DEFAULT, number_of, page_of
from openoutcry.portal.native.routes import limit_type
from openoutcry.portal.notices.notices import Notices, notification_row

NOTICES: list[Any] = ["notifications"]


@dataclass
class ReadUntil(Body):
    """``until``: the number of the last notification that was read."""

    until: int


@dataclass
class ChosenSettings(Body):
    """``events``: channels by event; times of day are ``HH:MM`` in ``time_zone``, empty: none;
    ``margin_levels``: percent of the means at which to warn, null: as they are."""

    events: dict[str, list[str]]
    quiet_from: str
    quiet_until: str
    time_zone: str
    summary: str
    summary_at: str
    currency: str
    margin_levels: list[int] | None = None


@dataclass
class NewAlert(Body):
    """``direction``: above or below; ``price``: decimal text in the quote asset."""

    symbol: str
    direction: str
    price: str


@dataclass
class NewWebhook(Body):
    """``url``: where the portal posts notifications."""

    url: str


@dataclass
class NewSubscription(Body):
    """A subscription in the form of a browser's ``PushSubscription.toJSON()``."""

    endpoint: str
    p256dh: str
    auth: str
    label: str = ""


@dataclass
class NativeNotices:
    """Parts of the routes."""

    callers: Callers
    orders: NativeOrders
    notices: Notices


def add_notices(app: Any, native: NativeNotices) -> None:
    """Add every route to an application of FastAPI."""
    asking_type = native.callers.parameter()
    _add_list(app, native.notices, asking_type, limit_type())
    _add_alerts(app, native, asking_type)
    _add_webhook(app, native.notices, asking_type)
    _add_push(app, native.notices, asking_type)


def _add_list(app: Any, notices: Notices, asking_type: Any, limited: Any) -> None:
    @app.get("/v1/notifications", response_model=models.NotificationPage, tags=NOTICES)
    async def notifications(
        asking: asking_type, unread: bool = False, cursor: str = "", limit: limited = DEFAULT
    ) -> Any:
        before = number_of("n", cursor)
        rows = await notices.page(asking.user_id, unread, before, limit + 1)
        found, following = page_of("n", rows, limit, lambda row: row["id"])
        shown = [notification_row(row) for row in found]
        return models.NotificationPage(shown, following, await notices.unread(asking.user_id))

    @app.post("/v1/notifications/read", response_model=models.Status, tags=NOTICES)
    async def read_notifications(asking: asking_type, body: ReadUntil) -> Any:
        asking.require_settings(Action.READ)
        await notices.read(asking.user_id, min(max(0, body.until), 2**62))
        return DONE

    settings_type = models.NotificationSettings

    @app.get("/v1/notification-settings", response_model=settings_type, tags=NOTICES)
    async def notification_settings(asking: asking_type) -> Any:
        return await notices.settings(asking.user_id)

    @app.put("/v1/notification-settings", response_model=settings_type, tags=NOTICES)
    async def choose_notifications(asking: asking_type, body: ChosenSettings) -> Any:
        asking.require_settings()
        keeps, terms = body.margin_levels is None, asdict(body)
        terms["margin_levels"] = body.margin_levels or []
        await notices.choose(asking.user_id, models.NotificationSettings(**terms), keeps)
        return await notices.settings(asking.user_id)


def _add_alerts(app: Any, native: NativeNotices, asking_type: Any) -> None:
    notices = native.notices

    @app.get("/v1/price-alerts", response_model=list[models.PriceAlert], tags=NOTICES)
    async def price_alerts(asking: asking_type) -> Any:
        return await notices.alerts(asking.user_id)

    @app.post("/v1/price-alerts", response_model=models.PriceAlert, status_code=201, tags=NOTICES)
    async def new_price_alert(asking: asking_type, body: NewAlert) -> Any:
        asking.require_settings()
        market = native.orders.market(body.symbol)
        return await notices.new_alert(asking.user_id, market, body.direction, body.price)

    @app.delete("/v1/price-alerts/{number}", response_model=models.Status, tags=NOTICES)
    async def delete_price_alert(asking: asking_type, number: int) -> Any:
        asking.require_settings()
        await notices.forget_alert(asking.user_id, number)
        return DONE


def _add_webhook(app: Any, notices: Notices, asking_type: Any) -> None:
    @app.get("/v1/webhook", response_model=models.Webhook, tags=NOTICES)
    async def webhook(asking: asking_type) -> Any:
        return await notices.webhook(asking.user_id)

    @app.put("/v1/webhook", response_model=models.Webhook, tags=NOTICES)
    async def set_webhook(asking: asking_type, body: NewWebhook) -> Any:
        asking.require_settings()
        return await notices.set_webhook(asking.user_id, body.url)

    @app.delete("/v1/webhook", response_model=models.Status, tags=NOTICES)
    async def delete_webhook(asking: asking_type) -> Any:
        asking.require_settings()
        await notices.forget_webhook(asking.user_id)
        return DONE

    @app.post("/v1/webhook/test", response_model=models.Status, tags=NOTICES)
    async def test_webhook(asking: asking_type) -> Any:
        asking.require_settings()
        await notices.test_webhook(asking.user_id)
        return DONE


def _add_push(app: Any, notices: Notices, asking_type: Any) -> None:
    @app.get("/v1/push/key", response_model=models.PushKey, tags=NOTICES)
    async def push_key(asking: asking_type) -> Any:
        return notices.push_key()

    rows = list[models.PushSubscription]

    @app.get("/v1/push/subscriptions", response_model=rows, tags=NOTICES)
    async def push_subscriptions(asking: asking_type) -> Any:
        return await notices.subscriptions(asking.user_id)

    @app.post(
        "/v1/push/subscriptions",
        response_model=models.PushSubscription,
        status_code=201,
        tags=NOTICES,
    )
    async def subscribe_push(asking: asking_type, body: NewSubscription) -> Any:
        asking.require_settings()
        keys = body.endpoint, body.p256dh, body.auth, body.label
        return await notices.subscribe(asking.user_id, *keys)

    @app.delete("/v1/push/subscriptions/{number}", response_model=models.Status, tags=NOTICES)
    async def unsubscribe_push(asking: asking_type, number: int) -> Any:
        asking.require_settings()
        await notices.unsubscribe(asking.user_id, number)
        return DONE
