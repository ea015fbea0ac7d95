"""History, portfolio, statements and notifications over the portal's own API, with a venue."""

import re
from decimal import Decimal

import psycopg
import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.portal.database import running_embedded
from tests.support import plain_http
from tests.support.ledger.pdf_texts import texts_of
from tests.support.waiting import wait_until

BTC, USD = 10**8, 10**6


@pytest.fixture(scope="module")
def trader(portal_venue):
    """Somebody who has bought 0.3 BTC for 50,000 and sold 0.1 for 51,000, against another."""
    # What other tests have left in the book is taken first.
    third = portal_venue.person(USD=10_000_000 * USD, BTC=100 * BTC)
    with client_of(portal_venue, third) as taker:
        for side, price in (("buy", "51000"), ("sell", "50000")):
            taker.place("BTC-USD", side, "limit", quantity="90", price=price, time_in_force="ioc")
    one = portal_venue.person(USD=100_000 * USD)
    other = portal_venue.person(USD=100_000 * USD, BTC=10 * BTC)
    with client_of(portal_venue, one) as buyer, client_of(portal_venue, other) as seller:
        seller.place("BTC-USD", "sell", "limit", quantity="0.3", price="50000", key="rest-1")
        buyer.place("BTC-USD", "buy", "limit", quantity="0.3", price="50000", key="take-1")
        seller.place("BTC-USD", "buy", "limit", quantity="0.1", price="51000", key="rest-2")
        last = buyer.place("BTC-USD", "sell", "limit", quantity="0.1", price="51000", key="take-2")
        wait_until(lambda: buyer.history_state().seq >= last.seq, "the history")
    return one


def client_of(portal_venue, person):
    return PortalClient(portal_venue.url, person.api_key, person.secret)


def test_all_days_are_shown_and_searched(portal_venue, trader):
    with client_of(portal_venue, trader) as client:
        page = client.past_orders(limit=1)
        assert [order.client_order_id for order in page.items] == ["take-2"]
        rest = client.past_orders(limit=10, cursor=page.next)
        assert [order.client_order_id for order in rest.items] == ["take-1"]
        found = client.past_orders(search="take-1").items
        assert [order.id for order in found] == [rest.items[0].id]
        assert client.past_orders(search="%").items == []
        assert client.past_orders(symbol="ETH-USD").items == []
        assert client.past_orders(state="open").items == []
        number = found[0].id
        states = [one.state for one in client.order_changes(number)]
        assert states == ["open", "filled"]
        fills = client.past_fills().items
        assert [(fill.side, fill.quantity, fill.price) for fill in fills] == [
            ("sell", "0.10000000", "51000.00"),
            ("buy", "0.30000000", "50000.00"),
        ]
        assert [fill.id for fill in client.past_fills(order=number).items] == [fills[1].id]
        assert client.past_fills(from_ms=fills[0].time_ms + 1).items == []
        moved = client.movements().items
        assert [(one.kind, one.asset, one.amount) for one in moved] == [
            ("transfer", "USD", "100000.000000")
        ]
        fees = {(fee.asset, fee.fee) for fee in client.day_fees()}
        # Ten basis points of what was received.
        assert fees == {("BTC", "0.00030000"), ("USD", "5.100000")}


def test_a_page_stays_while_new_rows_come(portal_venue, trader):
    with client_of(portal_venue, trader) as client:
        first = client.past_orders(limit=1)
        client.place("BTC-USD", "buy", "limit", quantity="0.01", price="40000", key="later-1")
        second = client.past_orders(limit=1, cursor=first.next)
        assert second.items[0].id < first.items[0].id
        client.cancel_all()


def test_the_portfolio_is_what_was_traded(portal_venue, trader):
    with client_of(portal_venue, trader) as client:
        shown = client.portfolio(currency="USD", method="fifo")
        row = shown.instruments[0]
        assert (row.symbol, row.position, row.realised) == ("BTC-USD", "0.20000000", "100.000000")
        assert (row.fees, row.base_fees) == ("5.100000", "0.00030000")
        held = {one.asset: one for one in shown.holdings}
        assert held["USD"].total == "90094.900000"
        assert held["BTC"].total == "0.19970000"
        assert shown.invested == "100000.000000"
        # 0.1997 BTC at 51,000.
        assert shown.value == "100279.600000"
        assert shown.gain == "279.600000"
        assert client.portfolio(method="lifo").method == "lifo"
        days = client.performance(currency="USD").days
        assert (days[-1].value, days[-1].gain) == (shown.value, shown.gain)
        with pytest.raises(PortalError, match="method"):
            client.portfolio(method="hifo")


def test_a_rebalancing_is_shown_and_then_sent(portal_venue, trader):
    with client_of(portal_venue, trader) as client:
        made = client.rebalance("USD", weights={"USD": "0.5", "BTC": "0.5"})
        (order,) = made.orders
        assert (order.symbol, order.side, order.type) == ("BTC-USD", "buy", "limit")
        assert 0 < float(order.quantity) < 1
        names = "symbol", "side", "type", "quantity", "price", "time_in_force"
        sent = client.place(**{name: getattr(order, name) for name in names}, key="balance-1")
        assert sent.quantity == order.quantity
        client.cancel_all()
        with pytest.raises(PortalError, match="add up to 1"):
            client.rebalance("USD", weights={"BTC": "0.5"})


def test_statements_are_files_of_their_owner(portal_venue, trader):
    with client_of(portal_venue, trader) as client:
        text = client.statement(format="csv").decode()
        lines = text.splitlines()
        assert lines[0].startswith("event,")
        assert any(",deposit," in line for line in lines)
        texts = texts_of(client.statement(format="pdf"))
        assert {"Account holder", trader.mail, "Account", str(trader.participant)} <= set(texts)
        assert any(re.fullmatch(r"(Buy|Sell) [\d.]+ BTC at [\d,.]+ USD", one) for one in texts)
        assert any(one.startswith("page 1 of ") for one in texts)
        assert client.tax_report(format="csv").decode().count("BTC-USD") == 1
        assert client.tax_report(format="pdf").startswith(b"%PDF-")
        with pytest.raises(PortalError, match="after until"):
            client.statement(from_="2026-11-27", until="2026-11-26")
    with PortalClient(portal_venue.url) as stranger, pytest.raises(PortalError) as refused:
        stranger.statement()
    assert refused.value.code == "not_logged_in"


def test_a_statement_as_pdf_is_in_the_accounts_language(portal_venue, trader):
    """Whatever program asks for it; CSV is English."""
    headers = {"authorization": f"Bearer {trader.token}", "accept-language": "fr"}
    with client_of(portal_venue, trader) as client, plain_http.client(portal_venue.url) as person:
        titles = {
            "de": ("Kontoauszug von", "Realisierte"),
            "en": ("Statement of", "Realised gains"),
        }
        for language, (statement, tax) in titles.items():
            body = {"language": language}
            chosen = person.put("/v1/language", json=body, headers=headers)
            assert chosen.status_code == 200, chosen.text
            assert texts_of(client.statement(format="pdf"))[0].startswith(statement)
            assert texts_of(client.tax_report(format="pdf"))[0].startswith(tax)
            assert client.statement(format="csv").decode().startswith("event,")


def test_news_comes_into_the_list(portal_venue, trader):
    with client_of(portal_venue, trader) as client:

        def events():
            return [one.event for one in client.notifications().items]

        wait_until(lambda: events().count("order") >= 2, "the fills' notifications")
        wait_until(lambda: {"login", "deposit"} <= set(events()), "the other notifications")
        page = client.notifications(limit=2)
        more = client.notifications(limit=2, cursor=page.next)
        numbers = [one.number for one in (*page.items, *more.items)]
        assert numbers == sorted(numbers, reverse=True)

        def all_are_read():
            client.read_notifications(client.notifications(limit=1).items[0].number)
            return client.notifications(unread=True).unread == 0

        wait_until(all_are_read, "no notification that came in the meantime")
        settings = client.notification_settings()
        assert settings.events["order"] == ["app"]
        alert = client.new_price_alert("BTC-USD", "above", "60000")
        assert [one.id for one in client.price_alerts()] == [alert.id]
        client.delete_price_alert(alert.id)
        assert client.price_alerts() == []
        with pytest.raises(PortalError, match="not on the internet"):
            client.set_webhook("https://127.0.0.1/hook")


def operator_of(portal_venue, name):
    return PortalClient(portal_venue.url, operator=portal_venue.operator(name))


def test_an_operator_looks_and_freezes_with_a_reason(portal_venue):
    person = portal_venue.person(USD=1_000 * USD)
    with operator_of(portal_venue, "ada") as operator:
        (user,) = operator.users(search=person.mail).items
        detail = operator.user_detail(user.id)
        assert {one.asset: one.available for one in detail.balances}["USD"] == "1000.000000"
        with pytest.raises(PortalError, match="reason"):
            operator.freeze(user.id, " ")
        view = operator.support_view(user.id, "ticket 7")
        assert operator.freeze(user.id, "ticket 8").frozen_reason == "ticket 8"
        with client_of(portal_venue, person) as client:
            with pytest.raises(PortalError) as refused:
                client.place("BTC-USD", "buy", "limit", quantity="0.01", price="40000")
            assert refused.value.code in ("frozen", "forbidden")
            assert client.balances()
        with PortalClient(portal_venue.url) as looker:
            looker.operator = view.token
            assert looker.me().mail == person.mail
            assert looker.balances()
            with pytest.raises(PortalError) as refused:
                looker.place("BTC-USD", "buy", "limit", quantity="0.01", price="40000")
            assert refused.value.code == "forbidden"
            with pytest.raises(PortalError):
                looker.sessions()
            with pytest.raises(PortalError):
                looker.users()
        assert operator.unfreeze(user.id, "ticket 9").frozen_at is None
        actions = [(row.action, row.reason) for row in operator.operator_log().items]
        assert actions[:3] == [
            ("unfrozen", "ticket 9"),
            ("frozen", "ticket 8"),
            ("support view", "ticket 7"),
        ]
        audit = [row.action for row in operator.user_detail(user.id).audit]
        assert audit[:3] == ["unfrozen", "frozen", "support view"]
        for view in ("volatility", "volumes", "exposure", "cohorts"):
            assert operator.analytics(view).view == view
        held = [row for row in operator.analytics("exposure").rows if row["held"] == "1000.000000"]
        assert {(row["participant"], row["asset"]) for row in held} >= {
            (detail.user.participant, "USD")
        }
        with pytest.raises(PortalError):
            operator.analytics("users")
    with client_of(portal_venue, person) as client:
        assert (
            client.place("BTC-USD", "buy", "limit", quantity="0.01", price="40000").state == "open"
        )
        client.cancel_all()
    with PortalClient(portal_venue.url) as stranger, pytest.raises(PortalError):
        stranger.users()


def test_a_support_view_ends_with_its_operator(portal_venue):
    person = portal_venue.person()
    with operator_of(portal_venue, "bob") as operator:
        (user,) = operator.users(search=person.mail).items
        view = operator.support_view(user.id, "ticket 1")
    with PortalClient(portal_venue.url, operator=view.token) as looker:
        assert looker.me().mail == person.mail
        assert looker.balances()
        portal_venue.operator("bob", "--remove")
        for look in (looker.me, looker.balances):
            with pytest.raises(PortalError, match="support view"):
                look()


def test_an_operator_changes_a_level_and_ends_a_key_with_a_reason(portal_venue):
    person = portal_venue.person(USD=1_000 * USD)
    with operator_of(portal_venue, "grace") as operator, client_of(portal_venue, person) as client:
        (user,) = operator.users(search=person.mail).items
        left = {one.asset: one.left for one in operator.user_detail(user.id).limits}
        assert left == {"USD": "5000.000000", "BTC": "1.00000000"}
        assert operator.set_level(user.id, 2, "ticket 1").level == 2
        for level, words in ((10, "level"), (-1, "level"), (7, "portal has 0, 2"), (1, "level")):
            with pytest.raises(PortalError, match=words):
                operator.set_level(user.id, level, "ticket 2")
        with pytest.raises(PortalError, match="no such user"):
            operator.set_level(2**31 - 1, 2, "ticket 2")
        detail = operator.user_detail(user.id)
        assert {one.asset: one.left for one in detail.limits}["USD"] == "250000.000000"
        (key,) = detail.keys
        assert client.balances()
        with pytest.raises(PortalError, match="reason"):
            operator.revoke_user_key(user.id, key.id, " ")
        operator.revoke_user_key(user.id, key.id, "ticket 3")
        with pytest.raises(PortalError) as refused:
            client.balances()
        assert refused.value.code == "not_logged_in"
        with pytest.raises(PortalError, match="no such key"):
            operator.revoke_user_key(user.id, key.id, "ticket 4")
        detail = operator.user_detail(user.id)
        assert detail.keys == []
        wanted = [
            ("API key revoked", f"key {key.id}: ticket 3"),
            ("level changed", "level 2: ticket 1"),
        ]
        assert [(row.action, row.reason) for row in operator.operator_log(limit=2).items] == wanted
        assert [(row.action, row.detail) for row in detail.audit[:2]] == wanted


def test_volumes_are_sums_of_what_was_traded(portal_venue, trader):
    """Between those of the history before and after: trades come meanwhile."""
    url = running_embedded(portal_venue.folder / "journal-portal" / "postgresql")

    def traded():
        with psycopg.connect(url) as connection:
            return connection.execute(
                "select count(*), sum(lots) * 10000 / 1e8, sum(price_ticks * lots) / 1e6 "
                "from history.trades where instrument = 0"
            ).fetchone()

    before = traded()
    with operator_of(portal_venue, "edith") as operator:
        rows = [row for row in operator.analytics("volumes").rows if row["symbol"] == "BTC-USD"]
    after = traded()
    sums = (
        sum(row["trades"] for row in rows),
        sum(Decimal(row["base_quantity"]) for row in rows),
        sum(Decimal(row["quote_amount"]) for row in rows),
    )
    assert before[0]
    for low, value, high in zip(before, sums, after, strict=True):
        assert low <= value <= high
