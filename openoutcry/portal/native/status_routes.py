"""The routes of ``/v1/status``: whether the venue trades, and what was announced.  It is public, as
JSON and as RSS, and is answered while the venue is closed or gone."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.markets import NativeMarkets
from openoutcry.portal.native.operator_routes import OPERATORS, NativeOperators, operator_type_of
from openoutcry.portal.notices.announcements import Announcements, Written
from openoutcry.portal.notices.texts import language_of
from openoutcry.portal.notices.words import announced
from openoutcry.portal.spot.signing import now_ms

RSS_SHOWN: dict[int | str, Any] = {
    200: {
        "description": "The announcements.",
        "content": {"application/rss+xml": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass
class NewAnnouncement(Body):
    """``kind``: maintenance, incident, listing or news; times in ISO 8601 with their zone."""

    kind: str
    title: str
    body: str
    begins_at: str = ""
    ends_at: str = ""


@dataclass
class NativeStatus:
    """Parts of the routes."""

    name: str
    markets: NativeMarkets
    announcements: Announcements
    operators: NativeOperators

    async def announced(self, language: str) -> list[models.Announcement]:
        """Return the newest announcements, in a language where they are the portal's own."""
        return [shown(row, language) for row in await self.announcements.newest()]

    async def status(self, language: str) -> models.VenueStatus:
        """Return the state of the venue and of each instrument, and the announcements."""
        mirror = self.markets.mirror
        states = [
            models.InstrumentStatus(market.symbol, self.markets.state(market))
            for market in mirror.markets.every
        ]
        rows = await self.announced(language)
        return models.VenueStatus(self.name, mirror.state, now_ms(), states, rows)


def shown(row: dict[str, Any], language: str) -> models.Announcement:
    """An announcement as the API has it."""
    title, body = announced(row, language)
    times = row["at"], row["begins_at"], row["ends_at"]
    return models.Announcement(row["id"], row["kind"], row["symbol"], title, body, *times)


def rss(name: str, address: str, rows: list[models.Announcement]) -> bytes:
    """Announcements as RSS 2.0; ``address``: of the page."""
    root = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(root, "channel")
    for tag, text in (("title", name), ("link", address), ("description", f"Status of {name}")):
        ElementTree.SubElement(channel, tag).text = text
    for row in rows:
        item = ElementTree.SubElement(channel, "item")
        identity = ElementTree.SubElement(item, "guid", isPermaLink="false")
        identity.text = f"{name}-{row.id}"
        for tag, text in (("title", row.title), ("description", row.body), ("category", row.kind)):
            ElementTree.SubElement(item, tag).text = text
        ElementTree.SubElement(item, "pubDate").text = format_datetime(row.at)
    data: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return data


def add_status(app: Any, native: NativeStatus) -> None:
    """Add every route to an application of FastAPI."""
    _add_public(app, native)
    _add_operators(app, native, operator_type_of(native.operators))


def _add_public(app: Any, native: NativeStatus) -> None:
    from fastapi import Request, Response

    def wanted(request: Any) -> str:
        return language_of(request.headers.get("accept-language", ""))

    @app.get("/v1/status", response_model=models.VenueStatus, tags=["markets"])
    async def venue_status(request: Request) -> Any:
        return await native.status(wanted(request))

    @app.get("/v1/status.rss", tags=["markets"], responses=RSS_SHOWN, response_class=Response)
    async def status_feed(request: Request) -> Any:
        rows = await native.announced(wanted(request))
        page = f"{request.url.scheme}://{request.url.netloc}/#/status"
        return Response(rss(native.name, page, rows), media_type="application/rss+xml")


def _add_operators(app: Any, native: NativeStatus, operator_type: Any) -> None:
    path = "/v1/operator/announcements"

    @app.post(path, response_model=models.Announcement, status_code=201, tags=OPERATORS)
    async def announce(operator: operator_type, body: NewAnnouncement) -> Any:
        times = [_moment(getattr(body, name), name) for name in ("begins_at", "ends_at")]
        written = Written(body.kind, body.title, body.body, *times)
        return shown(await native.announcements.add(operator, written), "en")

    @app.post(f"{path}/{{number}}/end", response_model=models.Announcement, tags=OPERATORS)
    async def end_announcement(operator: operator_type, number: int) -> Any:
        return shown(await native.announcements.end(operator, number), "en")


def _moment(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: a time in ISO 8601, as 2026-11-30T12:00:00Z") from None
