"""Anna has one of each thing that a user can have; every request of ``/v1`` that changes
something, with the names of her things: what another user is refused, and she is not."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pyotp
from click.testing import CliRunner

from openoutcry.cli.main import main
from tests import ROOT
from tests.support import plain_http
from tests.support.custody.portal_custody import Somebody
from tests.support.portal.authenticator import Authenticator
from tests.support.portal.full_venue import BTC, DOMAIN, ORIGIN, USD, FullVenue
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person, PortalVenue
from tests.support.waiting import wait_until

IBAN = "DE02120300000000202051"
DOCUMENT = json.loads((ROOT / "docs" / "portal-openapi.json").read_text())
QUERY_IDS = {"order", "cursor", "before", "sub_account"}
"""Parameters of reading requests that name something."""
WIRE = {"asset": "USD", "amount": "20", "address": IBAN, "network": "WIRE"}
PROOF = {"password": PASSWORD}
REASON = {"reason": "a reason"}
ANNOUNCEMENTS = "/v1/operator/announcements"
NEWS = {"kind": "news", "title": "a title", "body": "a body"}
FRESH, MOVED, LINKED = "fresh@example.com", "moved@example.com", "linked@example.com"
NEW_PASSWORD = "eight crooked ladders"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
TOTP_STEP_S = 30
MARKS = ("31338.12", "123.456789", "annas")
"""In what Anna chose: no answer to another user has them."""
SOURCES = (f"127.0.9.{number}" for number in count(1))
"""Of the next Anna's requests: what she gets wrong locks an address."""
CENTS = count(77)
"""Of the next quoted price: a quote that an Anna before accepted is a trade, which all see."""
BIDS = count(31_337)
"""Of the next Anna's bids: open ones of an Anna before are below, so that they do not trade."""
QUOTED = "accept", "counter", "withdraw", "fix", "over fix"
"""Quotes that she has, by what is done with them."""
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.01", "price": "10"}

STOP = {"side": "sell", "type": "stop", "price": "", "stop_price": "2"}
LISTED = {"contingency": "oto", "orders": [ORDER, ORDER | STOP]}


@dataclass(frozen=True)
class Ask:
    """A request.  ``ids``: in its path; ``names``: body or query name something of Anna's, too."""

    ids: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    """A function makes it at the time of the request: from what Anna was answered before."""
    query: dict[str, Any] = field(default_factory=dict)
    by: str = "anna"
    """Who may ask: ``anna``, ``maker`` (whom she asks for quotes), ``operator``, ``stranger``, or
    ``again``: Anna, who logs in for this request, with her new address."""
    names: bool = False
    guess: dict[str, str] | None = None
    """What another user sends where ``body`` is a function."""


At = tuple[str, str]
"""Method and path of the document."""
Asks = dict[At, Ask]


def by_token(venue: PortalVenue, token: str = "", source: str = "") -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return plain_http.client(venue.url, source=source, headers=headers)


class Anna:
    """A user with one of each thing that a user can have."""

    def __init__(self, full: FullVenue) -> None:
        self.full, self.venue, self.maker = full, full.portal, full.makers[0]
        self.somebody = Somebody(full.custody, USD=10_000 * USD, BTC=BTC)
        self.known_code = ""
        self.person, self.native = self.somebody.person, self.somebody.native
        self.answers: dict[At, Any] = {}
        """What she was answered last, by method and path."""
        tokens = {
            "anna": self.person.token,
            "maker": self.maker.token,
            "operator": self.venue.operator("ada"),
            "stranger": "",
        }
        self.source = next(SOURCES)
        self.clients = {name: self._by_token(token) for name, token in tokens.items()}
        self.http = self.clients["anna"]
        self.quoted = f"{31_405 + next(CENTS) / 100:.2f}"
        self.marks = (*MARKS, self.quoted)
        self.limits: dict[str, tuple[int, str]] = {}
        """The limits that she would widen, and the codes for that."""
        self.secrets = {*self.marks, self.person.mail, self.person.api_key}
        self.user = self.native.me().id
        self._trade()
        self._hold_contracts()
        self._move_coins()
        self._share()
        self._limit_herself()
        self._be_told()
        self._add_factors()
        self._ask_for_quotes()
        self._read_what_is_owed()

    def ask(self, method: str, path: str, by: str = "anna", **body: Any) -> Any:
        answer = self.clients[by].request(method, path, json=body or None)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def client(self, by: str) -> httpx.Client:
        if by != "again":
            return self.clients[by]
        tokens = self.ask("POST", "/v1/login", "stranger", mail=MOVED, **PROOF)
        return self._by_token(tokens["access_token"])

    def _by_token(self, token: str) -> httpx.Client:
        return by_token(self.venue, token, self.source)

    def _trade(self) -> None:
        price = f"{next(BIDS)}.11"
        with self.venue.client(self.person) as client:
            names = "annas-order", "annas-second", "annas-third"
            made = [
                client.order("BUY", "0.03", price, newClientOrderId=name).json()["orderId"]
                for name in names
            ]
            self.order, self.replaced, self.cancelled = made
            one = {"symbol": "BTCUSD", "side": "BUY", "quantity": "0.02"}
            legs = {
                "aboveType": "STOP_LOSS_LIMIT",
                "aboveStopPrice": "90000",
                "abovePrice": "90000",
            }
            legs |= {"aboveTimeInForce": "GTC", "belowType": "LIMIT_MAKER", "belowPrice": "11.00"}
            names = {"listClientOrderId": "annas-list"}
            listed = client.request("POST", "/api/v3/orderList/oco", **one, **legs, **names)
            assert listed.status_code == 200, listed.text
            self.order_list = listed.json()["orderListId"]
            self.native_list = self.native.place_list(**LISTED, key="annas-native").id
            answer = client.http.post("/api/v3/userDataStream")
            self.listen_key = answer.json()["listenKey"]
        with self.full.client(self.maker) as maker:
            maker.place("BTC-USD", "sell", "limit", quantity="0.01", price=price)
        wait_until(lambda: self.native.fills().items, "a fill")
        self.fill = self.native.fills().items[0].id
        self.secrets.add(self.listen_key)

    def _hold_contracts(self) -> None:
        self.full.deposit_margin(self.person, 1_000)
        wait_until(lambda: self.native.margin().equity == "1000.000000", "money for margin")
        terms = {"quantity": "2", "price": "10.00"}
        with self.full.client(self.maker) as maker:
            maker.place("XAU-P", "sell", "limit", **terms)
        assert self.native.place("XAU-P", "buy", "limit", **terms).state == "filled"
        terms = {"quantity": "1", "price": "5.00"}
        self.contract_order = self.native.place("XAU-P", "buy", "limit", **terms).id

    def _move_coins(self) -> None:
        somebody, native, custody = self.somebody, self.native, self.full.custody
        somebody.pay_in(4)
        txid = custody.node.pay(somebody.address(), BTC // 2)
        wait_until(native.chain_deposits, "a deposit that is under way")
        self.outside = custody.outside()
        somebody.list_address(self.outside)
        (listed,) = native.withdrawal_addresses()
        added = native.add_withdrawal_address("LTC", custody.outside(), label="annas safe")
        self.listed, self.added, self.address_code = listed.id, added.id, somebody.next_code()
        self.withdrawal = native.withdraw("LTC", "0.5", self.outside).id
        self.code = somebody.next_code()
        self.second_withdrawal = native.withdraw("LTC", "0.25", self.outside).id
        with self.venue.client(self.person) as client:
            terms = {"coin": "USD", "amount": "123.456789", "network": "WIRE", "address": IBAN}
            path = "/sapi/v1/capital/withdraw/apply"
            # A busy machine may not have logged the session in yet.
            asked = {"withdrawOrderId": "rent-a", **terms}
            wait_until(lambda: client.request("POST", path, **asked).is_success, "a withdrawal")
        chain = [one.address for one in native.deposit_addresses(asset="LTC")]
        tag = native.deposit_addresses(asset="USD")[0].tag
        self.secrets |= {txid, self.outside, added.address, *chain, f'"{tag}"'}

    def _share(self) -> None:
        native = self.native
        made = native.new_sub_account("annas-grid")
        wait_until(lambda: native.list_sub_accounts()[0].is_open, "the sub-account")
        self.sub, self.sub_mail = made.id, made.mail
        self.sub_key = native.new_sub_account_key(made.id, "annas key", PASSWORD)
        self.transfer = native.transfer(0, made.id, "USD", "250", key="annas").id
        self.key = native.new_key("annas second key", PASSWORD)
        self.first_key = native.list_keys()[0].id
        self.secrets |= {self.sub_mail, self.sub_key.api_key, self.key.api_key}

    def _limit_herself(self) -> None:
        native = self.native
        for limit, value, wider in (
            ("open_orders", "150", "160"),
            ("orders_per_second", "9", "99"),
        ):
            native.set_own_limit(limit, value)
            known = self.mailed(self.person.mail)
            row = native.set_own_limit(limit, wider)
            self.limits[limit] = row.id, self.mailed(self.person.mail, known)

    def _be_told(self) -> None:
        native, subscription = self.native, self.full.push.subscription("annas-browser")
        self.alert = native.new_price_alert("BTC-USD", "above", "31338.12").id
        hook = native.set_webhook(f"{self.full.host.url}/annas")
        self.push = native.subscribe_push(**subscription).id
        wait_until(lambda: "A deposit was credited: 4 LTC" in self.somebody.titles(), "a notice")
        self.notice = native.notifications().items[0].number
        self.secrets |= {str(hook.secret), subscription["p256dh"]}

    def _add_factors(self) -> None:
        self.device = Authenticator(ORIGIN, DOMAIN)
        self.ask("POST", "/v1/passkeys", **self._passkey(self.device, "annas phone"))
        self.passkey = self.native.list_passkeys()[0].id
        self.unused_passkey = self._passkey(Authenticator(ORIGIN, DOMAIN), "annas tablet")
        body = {"mail": self.person.mail, **PROOF}
        tokens = [self.ask("POST", "/v1/login", **body) for _ in range(2)]
        self.refresh_token = tokens[0]["refresh_token"]
        mine = self._by_token(tokens[1]["access_token"])
        rows = mine.get("/v1/sessions").json()
        self.session = next(one["id"] for one in rows if one["is_this"])
        self.secrets |= {one["id"] for one in rows}

    def _passkey(self, device: Authenticator, label: str) -> dict[str, Any]:
        begun = self.ask("POST", "/v1/passkeys/begin", **PROOF)
        made = {"ticket": begun["ticket"], "credential": device.make(begun["options"])}
        return made | {"label": label}

    def _read_what_is_owed(self) -> None:
        self.proof, venue = f"proof-{self.user}", self.venue
        self.announcement = self.ask("POST", ANNOUNCEMENTS, "operator", **NEWS)["id"]
        key, folder = venue.folder / f"{self.proof}.key", venue.folder / "proofs" / self.proof
        folder.parent.mkdir(exist_ok=True)
        for words in (
            ("key", key),
            ("make", venue.venue.journal, "--key", key, "--out", folder),
        ):
            done = CliRunner().invoke(main, ["proof", *map(str, words)])
            assert done.exit_code == 0, done.output
        (folder / "reserves").mkdir()
        (folder / "reserves" / "LTC.json").write_text("{}")

    def _ask_for_quotes(self) -> None:
        self.quotes = {name: self._quoted() for name in QUOTED}
        self.requests = {name: self._requested() for name in ("pass", "cancel", "quote")}

    def _requested(self) -> int:
        terms = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.001", "seconds": 3_600}
        makers = [self.maker.participant]
        return int(self.ask("POST", "/v1/quotes/requests", makers=makers, **terms)["id"])

    def _quoted(self) -> tuple[int, int]:
        number = self._requested()
        body = {"ask": self.quoted, "firm": True}
        row = self.ask("POST", f"/v1/quotes/requests/{number}/quotes", "maker", **body)
        return number, int(row["quotes"][-1]["id"])

    # What she does with requests that need an answer to another one

    def answered(self, method: str, path: str) -> Any:
        return self.answers[method, path]

    def totp(self, step: int) -> str:
        """The code of a step after the one before now: each is valid once."""
        secret = self.answered("POST", "/v1/totp")["secret"]
        now = int(time.time()) // TOTP_STEP_S
        return pyotp.TOTP(secret).generate_otp(now - 1 + step)

    def signed(self) -> dict[str, Any]:
        begun = self.answered("POST", "/v1/login/passkey/begin")
        return {"ticket": begun["ticket"], "credential": self.device.sign(begun["options"])}

    def back(self, path: str, mail: str) -> dict[str, str]:
        """What the browser brings from the provider."""
        claims = {"sub": mail, "email": mail, "email_verified": True}
        state, code = self.full.provider.log_in(self.answered("POST", path)["url"], **claims)
        return {"state": state, "code": code}

    def mailed(self, mail: str, other_than: str = "") -> str:
        return self.venue.code(mail, other_than)

    def link(self, mail: str) -> str:
        """The token of the last mailed link that undoes changes."""
        path = self.venue.folder / "journal-portal" / "mails.jsonl"
        found: list[str] = []

        def is_there() -> bool:
            rows = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
            texts = "".join(row["text"] for row in rows if row["to"] == mail)
            found.extend(re.findall(r"/#/undo/(\S+)", texts))
            return bool(found)

        wait_until(is_there, f"a link for {mail}")
        return found[-1]

    def leaving(self) -> dict[str, Any]:
        """Note the last code of her present address: the next one agrees to another address."""
        self.known_code = self.mailed(self.person.mail)
        return PROOF


def of_segments(anna: Anna) -> dict[str, Any]:
    """The value of a name in the path of a reading request, by the segment before it."""
    return {
        "instruments": "BTC-USD",
        "analytics": "volumes",
        "orders": anna.order,
        "order-lists": anna.order_list,
        "withdrawals": anna.withdrawal,
        "requests": anna.quotes["accept"][0],
        "users": anna.user,
        "sub-accounts": anna.sub,
        "transfers": anna.transfer,
        "proofs": anna.proof,
        "reserves": "LTC",
    }


PUBLIC_IDS = {"symbol", "view", "name", "chain"}
"""Names in paths that are no user's."""


def changes(anna: Anna) -> Asks:
    """Every changing request, in an order in which Anna can make them all."""
    return {
        **of_trading(anna),
        **of_money(anna),
        **of_notices(anna),
        **of_quotes(anna),
        **of_operators(anna),
        **of_strangers(anna),
        **of_account(anna),
    }


def of_trading(anna: Anna) -> Asks:
    weights = {"currency": "USD", "weights": {"USD": "0.5", "BTC": "0.5"}}
    return {
        ("POST", "/v1/orders"): Ask(body=ORDER),
        ("PATCH", "/v1/orders/{number}"): Ask({"number": anna.order}, {"price": "31000.00"}),
        ("DELETE", "/v1/orders/{number}"): Ask({"number": anna.contract_order}),
        ("POST", "/v1/order-lists"): Ask(body=LISTED),
        ("DELETE", "/v1/order-lists/{number}"): Ask({"number": anna.native_list}),
        ("DELETE", "/v1/orders"): Ask(query={"symbol": "BTC-USD"}),
        ("POST", "/v1/portfolio/rebalance"): Ask(body=weights),
    }


def of_money(anna: Anna) -> Asks:
    address, withdrawal = "/v1/withdrawal-addresses", "/v1/withdrawals"
    new = {"asset": "LTC", "address": anna.full.custody.outside()}
    transfer = {"source": anna.sub, "target": 0, "asset": "USD", "amount": "1"}
    number, second = {"number": anna.withdrawal}, {"number": anna.second_withdrawal}
    return {
        ("POST", address): Ask(body=new),
        ("POST", f"{address}/{{number}}/confirm"): Ask(
            {"number": anna.added}, {"code": anna.address_code}
        ),
        ("POST", withdrawal): Ask(body=WIRE),
        ("POST", f"{withdrawal}/{{number}}/confirm"): Ask(number, {"code": anna.code}),
        ("DELETE", f"{withdrawal}/{{number}}"): Ask(second),
        ("DELETE", f"{address}/{{number}}"): Ask({"number": anna.listed}),
        ("POST", "/v1/transfers"): Ask(body=transfer, names=True),
        **of_limits(anna),
    }


def of_limits(anna: Anna) -> Asks:
    path, (number, code) = "/v1/own-limits", anna.limits["open_orders"]
    lower = {"limit": "open_orders", "value": "140", "sub_account": anna.sub}
    other = {"number": anna.limits["orders_per_second"][0]}
    return {
        ("PUT", path): Ask(body=lower, names=True),
        ("POST", f"{path}/{{number}}/confirm"): Ask({"number": number}, {"code": code}),
        ("DELETE", f"{path}/{{number}}"): Ask(other),
        ("POST", "/v1/kill"): Ask(body={"sub_account": anna.sub}, names=True),
    }


def of_notices(anna: Anna) -> Asks:
    told = {
        "events": {"order": ["app"]}, "quiet_from": "22:00", "quiet_until": "07:00",
        "time_zone": "UTC", "summary": "daily", "summary_at": "08:00", "currency": "USD",
    }  # fmt: skip
    alert = {"symbol": "BTC-USD", "direction": "above", "price": "99999"}
    browser = anna.full.push.subscription("another")
    return {
        ("POST", "/v1/notifications/read"): Ask(body={"until": anna.notice}),
        ("PUT", "/v1/notification-settings"): Ask(body=told),
        ("POST", "/v1/price-alerts"): Ask(body=alert),
        ("DELETE", "/v1/price-alerts/{number}"): Ask({"number": anna.alert}),
        ("PUT", "/v1/webhook"): Ask(body={"url": anna.full.host.url}),
        ("POST", "/v1/webhook/test"): Ask(),
        ("DELETE", "/v1/webhook"): Ask(),
        ("POST", "/v1/push/subscriptions"): Ask(body=browser),
        ("DELETE", "/v1/push/subscriptions/{number}"): Ask({"number": anna.push}),
    }


def of_quotes(anna: Anna) -> Asks:
    path = "/v1/quotes/requests/{number}"
    numbers = {name: {"number": one[0]} for name, one in anna.quotes.items()}
    numbers |= {name: {"number": one} for name, one in anna.requests.items()}
    quotes = {name: {"quote": one[1], "side": "buy"} for name, one in anna.quotes.items()}
    terms = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.001", "seconds": 600}
    asked = terms | {"makers": [anna.maker.participant]}
    price = {"price": "31400.00"}
    yes = {"accept": True, "waits_number": 1}
    withdrawn = numbers["withdraw"] | {"quote": anna.quotes["withdraw"][1]}
    return {
        ("POST", "/v1/quotes/requests"): Ask(body=asked),
        ("POST", f"{path}/accept"): Ask(numbers["accept"], quotes["accept"]),
        ("POST", f"{path}/counter"): Ask(numbers["counter"], quotes["counter"] | price),
        ("POST", f"{path}/answer"): Ask(numbers["counter"], yes, by="maker"),
        ("POST", f"{path}/quotes"): Ask(numbers["quote"], {"ask": anna.quoted}, by="maker"),
        ("DELETE", f"{path}/quotes/{{quote}}"): Ask(withdrawn, by="maker"),
        ("POST", f"{path}/pass"): Ask(numbers["pass"], by="maker"),
        ("DELETE", path): Ask(numbers["cancel"]),
    }


def of_operators(anna: Anna) -> Asks:
    path = "/v1/operator/users/{user_id}"
    user = {"user_id": anna.user}
    key = user | {"number": anna.key.id}

    def ask(ids: dict[str, Any] = user, **more: Any) -> Ask:
        return Ask(ids, REASON | more, by="operator")

    return {
        ("POST", f"{path}/level"): ask(level=0),
        ("POST", f"{path}/view"): ask(),
        ("POST", f"{path}/freeze"): ask(),
        ("POST", f"{path}/unfreeze"): ask(),
        ("POST", f"{path}/keys/{{number}}/revoke"): ask(key),
        ("POST", ANNOUNCEMENTS): Ask(body=NEWS, by="operator"),
        ("POST", f"{ANNOUNCEMENTS}/{{number}}/end"): Ask(
            {"number": anna.announcement}, {}, by="operator"
        ),
    }


def of_strangers(anna: Anna) -> Asks:
    """Their callers prove who they are by what is in the body."""
    fresh = {"mail": FRESH, **PROOF}

    def ask(body: Callable[[], Any] | dict[str, Any] | None) -> Ask:
        return Ask(body=body, by="stranger")

    def reset() -> dict[str, str]:
        code = anna.mailed(FRESH, other_than=anna.mailed(FRESH))
        return {"mail": FRESH, "password": NEW_PASSWORD, "code": code}

    return {
        ("POST", "/v1/register"): ask(fresh),
        ("POST", "/v1/verify"): ask(lambda: fresh | {"code": anna.mailed(FRESH)}),
        ("POST", "/v1/login"): ask(fresh),
        ("POST", "/v1/refresh"): ask({"refresh_token": anna.refresh_token}),
        ("POST", "/v1/password/forget"): ask({"mail": FRESH}),
        ("POST", "/v1/password/reset"): ask(reset),
        ("POST", "/v1/login/passkey/begin"): ask(None),
        ("POST", "/v1/login/passkey"): ask(anna.signed),
        ("POST", "/v1/undo"): ask(lambda: {"token": anna.link(FRESH)}),
        ("POST", "/v1/login/provider/begin"): ask(None),
        ("POST", "/v1/login/provider"): ask(lambda: anna.back("/v1/login/provider/begin", LINKED)),
    }


def of_account(anna: Anna) -> Asks:
    key = {"label": "annas third key", **PROOF}
    sub, keys = {"number": anna.sub}, "/v1/sub-accounts/{number}/api-keys"
    known = {"level": 2, "name": "annas name", "born": "1990-01-01", "country": "DE"}
    moved = {"mail": MOVED}
    return {
        ("DELETE", "/v1/sessions/{session_id}"): Ask({"session_id": anna.session}),
        ("PUT", "/v1/language"): Ask(body={"language": "en"}),
        ("POST", "/v1/totp"): Ask(body=PROOF),
        ("POST", "/v1/totp/confirm"): Ask(
            body=lambda: {"code": anna.totp(0)}, guess={"code": "123456"}
        ),
        ("POST", "/v1/totp/recovery-codes"): Ask(
            body=lambda: PROOF | {"totp": anna.totp(1)}, guess=PROOF
        ),
        ("POST", "/v1/totp/remove"): Ask(body=lambda: PROOF | {"totp": anna.totp(2)}, guess=PROOF),
        ("PUT", "/v1/mail-word"): Ask(body=PROOF | {"word": "blue heron"}),
        ("POST", "/v1/api-keys"): Ask(body=key),
        ("DELETE", "/v1/api-keys/{number}"): Ask({"number": anna.first_key}),
        ("POST", "/v1/sub-accounts"): Ask(body={"label": "another"}),
        ("POST", keys): Ask(sub, key),
        ("DELETE", f"{keys}/{{key_number}}"): Ask(sub | {"key_number": anna.sub_key.id}),
        ("POST", "/v1/passkeys/begin"): Ask(body=PROOF),
        ("POST", "/v1/passkeys"): Ask(body=anna.unused_passkey, names=True),
        ("POST", "/v1/passkeys/{number}/remove"): Ask({"number": anna.passkey}, PROOF),
        ("POST", "/v1/provider/link"): Ask(body=PROOF),
        ("POST", "/v1/identity"): Ask(body=known | {"address": "a street"}),
        ("POST", "/v1/identity/papers"): Ask(body=PNG, query={"kind": "passport"}),
        ("POST", "/v1/mail"): Ask(
            body=lambda: moved | anna.leaving(), guess={"mail": "eves.new@example.com", **PROOF}
        ),
        ("POST", "/v1/mail/confirm"): Ask(
            body=lambda: {
                **moved,
                "code": anna.mailed(MOVED),
                "old_code": anna.mailed(anna.person.mail, anna.known_code),
            },
            guess=moved | {"code": "12345678", "old_code": "12345678"},
        ),
        ("POST", "/v1/logout"): Ask(by="again"),
        ("POST", "/v1/logout-everywhere"): Ask(by="again"),
        ("POST", "/v1/password"): Ask(body={"old": PASSWORD, "new": NEW_PASSWORD}, by="again"),
    }


def reading(anna: Anna) -> Iterator[tuple[At, Ask, str]]:
    """Every reading request of the document; each with the ids in its path."""
    values = of_segments(anna)
    for path, methods in DOCUMENT["paths"].items():
        if "get" not in methods:
            continue
        found = re.findall(r"([^/]+)/{(\w+)}", path)
        ids = {name: values[segment] for segment, name in found}
        if path == "/v1/instruments/{symbol}/statistics":
            ids = {"symbol": "XAU-P"}  # only a contract has them
        by = "operator" if "/operator/" in path else "anna"
        wanted = {one["name"] for one in methods["get"].get("parameters", ())} & QUERY_IDS
        numbers = {"order": anna.order, "before": anna.notice, "cursor": ""}
        numbers["sub_account"] = anna.sub
        query = {name: numbers[name] for name in wanted}
        names = "sub_account" in query
        yield ("GET", path), Ask(ids, None, query, by, names), path.format(**ids)


def matrix(anna: Anna) -> Iterator[tuple[At, Ask, str]]:
    """Every request of ``/v1``: what it is, its names, its path."""
    yield from reading(anna)
    for (method, path), one in changes(anna).items():
        yield (method, path), one, path.format(**one.ids)


def spot_named(anna: Anna) -> list[tuple[At, dict[str, Any]]]:
    """Requests of the Binance-shaped API for one thing of Anna's, in an order in which she can make
    them all."""
    one = {"symbol": "BTCUSD"}
    order = ("GET", "/api/v3/order")
    new = one | {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    new |= {"price": "10", "cancelReplaceMode": "STOP_ON_FAILURE"}
    money = {"asset": "USD", "amount": "1", "fromAccountType": "SPOT", "toAccountType": "SPOT"}
    stream = {"listenKey": anna.listen_key}
    return [
        (order, one | {"orderId": anna.order}),
        (order, one | {"origClientOrderId": "annas-order"}),
        (("POST", "/api/v3/order/cancelReplace"), new | {"cancelOrderId": anna.replaced}),
        (("DELETE", "/api/v3/order"), one | {"orderId": anna.cancelled}),
        (("GET", "/api/v3/orderList"), {"orderListId": anna.order_list}),
        (("GET", "/api/v3/orderList"), {"origClientOrderId": "annas-list"}),
        (("DELETE", "/api/v3/orderList"), one | {"orderListId": anna.order_list}),
        (("GET", "/sapi/v3/sub-account/assets"), {"email": anna.sub_mail}),
        (("GET", "/sapi/v4/sub-account/assets"), {"email": anna.sub_mail}),
        (
            ("POST", "/sapi/v1/sub-account/universalTransfer"),
            money | {"fromEmail": anna.sub_mail, "clientTranId": "annas-two"},
        ),
        (("PUT", "/api/v3/userDataStream"), stream),
        (("DELETE", "/api/v3/userDataStream"), stream),
    ]


def spot_parameters(anna: Anna) -> list[dict[str, Any]]:
    """By which a request of the Binance-shaped API can name something."""
    common = {"symbol": "BTCUSD", "asset": "USD", "coin": "USD", "amount": "20", "side": "BUY",
              "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "10",
              "network": "WIRE", "address": IBAN, "interval": "1m",
              "cancelReplaceMode": "STOP_ON_FAILURE", "fromAccountType": "SPOT",
              "toAccountType": "SPOT", "subAccountString": "mine"}  # fmt: skip
    mail, person = anna.sub_mail, anna.person
    named = {"origClientOrderId": "annas-order", "cancelOrigClientOrderId": "annas-order"}
    return [
        common | {"orderId": anna.order, "cancelOrderId": anna.order},
        common | named | {"withdrawOrderId": "rent-a", "clientTranId": "annas"},
        common | {"email": mail, "fromEmail": mail, "listenKey": anna.listen_key},
        common | {"email": person.mail, "toEmail": person.mail, "fromId": anna.fill},
        common | {"preventedMatchId": anna.fill, "fromPreventedMatchId": anna.fill},
        common | {"orderId": anna.order, "fromExecutionId": anna.fill},
        common | {"orderListId": anna.order_list, "listClientOrderId": "annas-list"},
    ]


FixMessages = list[tuple[str, tuple[tuple[int, Any], ...]]]


def fix_named(anna: Anna) -> FixMessages:
    """Messages of FIX about one thing of Anna's: each in its client's words, and in its maker's."""
    number, quote = anna.quotes["fix"]
    symbol, price = (55, "BTC-USD"), (133, "31405.00")
    account = ((1, anna.person.participant), (60, "20261128-12:00:00"), (581, "1"))
    positions = ((710, "annas"), *account, (715, "20261128"), (724, "0"), (5500, "Y"))
    return [
        *(("AJ", ((693, "x"), (117, quote), (694, kind), symbol, (54, "1"))) for kind in "16"),
        ("AJ", ((693, "x"), (117, quote), (694, "2"), symbol, (54, "1"), (44, "31400.00"))),
        *(("AJ", ((693, f"{number}.{n}"), (117, quote), (694, "1"), symbol)) for n in range(4)),
        ("Z", ((131, number), (117, "*"), (298, "4"))),
        ("Z", ((131, number), (117, quote), (298, "1"))),
        ("S", ((131, number), (117, "mine"), symbol, price)),
        ("S", ((131, number), (117, quote), symbol, price)),
        ("AG", ((131, number), (658, "10"), (146, "1"), symbol)),
        ("AN", positions),
    ]


def person_of(full: FullVenue) -> Person:
    """The other user: a maker whom Anna did not ask, so that more is open to it."""
    return full.makers[1]
