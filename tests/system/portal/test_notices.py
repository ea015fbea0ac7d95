"""Notifications reach their channels at least once with one id, whatever dies, refuses or hangs."""

import hashlib
import hmac
import json
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import dict_row

from openoutcry.ledger import ledger_state
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history.projector import follow
from openoutcry.portal.notices import channels
from openoutcry.portal.notices import news as news_module
from openoutcry.portal.notices.news import News
from openoutcry.portal.notices.notifier import Notifier
from openoutcry.portal.trading.instruments import Markets
from tests.support.pipeline import warm_outcry
from tests.support.portal.generated import generated_market
from tests.support.portal.generated_contracts import contract_market
from tests.support.portal.packed_rows import changes_in
from tests.support.portal.people import Mailbox, fresh_database
from tests.support.portal.receivers import Host, PushService
from tests.support.processes import OUTCRY
from tests.support.waiting import wait_until

PEOPLE = 6
EVENTS = {
    name: ["app", "mail", "webhook", "push"]
    for name in ("order", "price", "risk", "login", "deposit", "withdrawal")
}


class Desk:
    """A generated market whose participants are users, their channels, and a notifier."""

    def __init__(self, made, url, mailbox):
        self.made, self.url, self.mailbox = made, url, mailbox
        self.process = None
        make_folder(folder_of(made.file))
        self.key = SecretKey(folder_of(made.file) / "portal.key")
        self.settings = made.file.path.parent / "portal.toml"
        self.settings.write_text('[notifications]\nnetworks = ["127.0.0.0/8"]\n')
        for who in made.people:
            mail, events = f"p{who}@example.com", json.dumps(EVENTS)
            self.run(
                "insert into users (id, mail, password_hash, is_verified, is_open, participant) "
                "overriding system value values (%s, %s, 'x', true, true, %s)",
                who,
                mail,
                who,
            )
            self.run("insert into notice_settings (user_id, events) values (%s, %s)", who, events)

    def run(self, query, *values):
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def hook(self, who, url):
        sealed = self.key.seal(b"secret", f"webhook {who}")
        self.run(
            "insert into webhooks (user_id, url, secret) values (%s, %s, %s)", who, url, sealed
        )

    def subscribe(self, who, one):
        names = ("endpoint", "p256dh", "auth", "label")
        query = "insert into push_subscriptions (user_id, endpoint, p256dh, auth, label)"
        self.run(f"{query} values (%s, %s, %s, %s, %s)", who, *(one[name] for name in names))

    def start(self):
        options = [f"--smtp=127.0.0.1:{self.mailbox.port}", "--mail-from=portal@example.com"]
        options += [f"--settings={self.settings}", "--database=-"]
        self.process = warm_outcry.Process(
            [*OUTCRY, "portal", "notifier", str(self.made.file.path), *options],
            stdin=subprocess.PIPE,
            text=True,
        )
        self.process.stdin.write(f"{self.url}\n")
        self.process.stdin.close()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def keys(self, who, channel="app"):
        query = "select key from notices where user_id = %s and %s = any(channels) order by id"
        return [row[0] for row in self.run(query, who, channel)]

    def mailed(self, who):
        """Ids in mails, in order; one that was sent twice is there twice."""
        found = []
        for mail in list(self.mailbox.mails):
            if mail["to"] == f"p{who}@example.com":
                found += [
                    line.rpartition(" id ")[2]
                    for line in mail.get_content().splitlines()
                    if " UTC, id " in line
                ]
        return found

    def has_all(self, who, ids):
        """Each notice once, what is urgent and what is not in its order: the two are sent apart."""
        query = "select key from notices where user_id = %s and is_urgent"
        urgent = {row[0] for row in self.run(query, who)}
        wanted, had = self.keys(who), list(ids)
        return sorted(had, key=urgent.__contains__) == sorted(wanted, key=urgent.__contains__)

    def is_done(self):
        query = "select count(*) from notice_targets where newest_id > sent_id"
        at = self.run("select changes from notice_sources")
        last = self.run("select max(event_seq) from history.order_changes")
        return bool(at) and at[0] == last[0] and self.run(query)[0][0] == 0

    def wait(self):
        wait_until(self.is_done, "everything was sent")


@contextmanager
def desk_of(tmp_path, postgresql, orders=120, begins=True):
    made = generated_market(tmp_path, PEOPLE, orders, 3, 1)
    url = fresh_database(postgresql)
    with Mailbox() as mailbox:
        desk = Desk(made, url, mailbox)
        if begins:
            follow(made.file, url, once=True)
        try:
            yield desk
        finally:
            desk.kill()


@pytest.fixture
def desk(tmp_path, postgresql):
    with desk_of(tmp_path, postgresql) as one:
        yield one


@pytest.mark.promise(
    "V2.2.3, V2.5.5, V7.1.3, V7.2 (news, log): the owner hears of new factors, keys, "
    "addresses and passwords. Logins, refusals and changes are recorded with address and "
    "time, without secrets, and shown to the account's owner",
    group="portal",
)
def test_news_reaches_every_channel_with_one_id(desk):
    who = desk.made.people[0]
    with Host() as host, PushService() as push:
        desk.hook(who, host.url)
        desk.subscribe(who, push.subscription())
        desk.start()
        desk.wait()
        keys = desk.keys(who)
        assert len(keys) > 10
        assert len(set(keys)) == len(keys)
        assert desk.has_all(who, desk.mailed(who))
        assert desk.has_all(who, host.ids())
        assert desk.has_all(who, [one["id"] for one in push.notices()])
        path, headers, body = host.requests[0]
        assert path == "/hook"
        text = f"{headers['X-Outcry-Timestamp']}.".encode() + body
        right = hmac.new(b"secret", text, hashlib.sha256).hexdigest()
        assert headers["X-Outcry-Signature"] == f"v1={right}"
        key = channels.vapid_of(folder_of(desk.made.file) / "vapid.pem")
        claims = push.claims(channels.public_key_of(key))
        assert {one["sub"] for one in claims} == {"mailto:portal@example.com"}
    for other in desk.made.people[1:]:
        assert desk.has_all(other, desk.mailed(other))


def test_what_an_order_does_is_said_once(desk):
    """A notice for each command that trades, ends or refuses an order, and none of its entry."""
    desk.start()
    desk.wait()
    changes = changes_in(desk.url)
    last = {(change["number"], change["seq"]): change["event_seq"] for change in changes}
    for who in desk.made.people:
        numbers = desk.run("select number from history.orders where participant = %s", who)
        own = [change for change in changes if (change["number"],) in numbers]
        news = sum(
            change["state"] != "NEW"
            and change["execution"] != "REDUCED"
            and (
                change["execution"] != "TRADE"
                or last[change["number"], change["seq"]] == change["event_seq"]
            )
            for change in own
        )
        made = desk.run(
            "select count(*) from notices where user_id = %s and event in ('order', 'risk')", who
        )
        assert made == [(news,)]
        movements = "select count(*) from history.movements where participant = %s"
        moved = "select count(*) from notices where user_id = %s and event in %s"
        moved = moved.replace("in %s", "in ('deposit', 'withdrawal')")
        assert desk.run(moved, who) == desk.run(movements, who)


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_kills_of_the_notifier_lose_nothing(desk):
    """It is killed while it sends each of the first mails: before the server has it, and after."""
    deaths = 0

    def at_mail(keep):
        nonlocal deaths
        deaths += 1
        if deaths > PEOPLE:
            keep()
        elif deaths % 2:
            desk.process.kill()
        else:
            keep()
            desk.process.kill()

    desk.mailbox.at_mail = at_mail
    desk.start()
    while not desk.is_done():
        if desk.process.poll() is not None:
            desk.start()
        time.sleep(0.02)
    assert deaths > PEOPLE
    twice = 0
    for who in desk.made.people:
        keys, mailed = desk.keys(who), desk.mailed(who)
        assert sorted(set(mailed)) == sorted(keys)
        assert len(set(keys)) == len(keys)
        twice += len(mailed) - len(keys)
    assert twice > 0


def test_a_history_that_is_made_again_is_no_news(desk):
    desk.start()
    desk.wait()
    before = {who: desk.keys(who) for who in desk.made.people}
    follow(desk.made.file, desk.url, once=True, rebuild=True)
    desk.run("update notice_sources set changes = 0, movements = 0, trades = 0")
    desk.wait()
    assert {who: desk.keys(who) for who in desk.made.people} == before
    assert all(desk.has_all(who, desk.mailed(who)) for who in desk.made.people)


def test_a_mail_server_that_refuses_is_asked_again(desk):
    desk.mailbox.refuses = True
    desk.start()
    failed = "select count(*) from notice_targets where tries > 0 and last_error like '%550%'"
    wait_until(lambda: desk.run(failed)[0][0] >= PEOPLE, "every mail was refused")
    assert not desk.mailbox.mails
    desk.mailbox.refuses = False
    desk.run("update notice_targets set next_at = now()")
    desk.wait()
    assert all(desk.has_all(who, desk.mailed(who)) for who in desk.made.people)


@pytest.mark.promise(
    "V5.2.3, V5.2.6, V12.6.1 (mail, requests for users): no address adds a header or a "
    "recipient to a mail. Webhooks and pushes reach no address inside, by no name, "
    "redirection or second look-up. One that hangs, and a burst for one user, keep no other "
    "user waiting",
    group="portal",
)
def test_a_hook_that_hangs_and_a_burst_keep_others_waiting_for_nothing(desk):
    slow, busy, other = desk.made.people[:3]
    burst = """
        select add_notice(%s, 'burst-' || n, 'order', false, 'A title', 'A text', '{}')
        from generate_series(1, 5000) as n
    """
    with Host() as hangs, Host() as host:
        hangs.answer = "hang"
        desk.hook(slow, hangs.url)
        desk.hook(busy, host.url)
        only = json.dumps({"order": ["webhook"]})
        desk.run("update notice_settings set events = %s where user_id = %s", only, busy)
        desk.run(burst, busy)
        desk.start()
        wait_until(lambda: hangs.requests, "the host that hangs was asked")
        wait_until(lambda: host.requests, "the burst has begun")
        desk.run("select add_notice(%s, 'mine', 'login', true, 'A title', 'A text', '{}')", other)
        wait_until(lambda: "mine" in desk.mailed(other), "another user's mail")
        query = "select sent_id >= newest_id from notice_targets where user_id = %s"
        sent = f"{query} and channel = 'webhook'"
        wait_until(lambda: desk.run(sent, busy) == [(True,)], "the whole burst")
        burst_ids = [one for one in host.ids() if one.startswith("burst-")]
        assert burst_ids == [f"burst-{n}" for n in range(1, 5_001)]
    error = "select last_error from notice_targets where user_id = %s and channel = 'webhook'"
    wait_until(lambda: any(row[0] for row in desk.run(error, slow)), "its failure is noted")


@pytest.mark.promise(
    "V5.2.3, V5.2.6, V12.6.1 (mail, requests for users): no address adds a header or a "
    "recipient to a mail. Webhooks and pushes reach no address inside, by no name, "
    "redirection or second look-up. One that hangs, and a burst for one user, keep no other "
    "user waiting",
    group="portal",
)
def test_a_redirect_to_this_machine_is_not_followed(desk):
    who = desk.made.people[0]
    with Host() as first, Host() as inside:
        first.answer, first.location = 307, inside.url
        desk.hook(who, first.url)
        desk.start()
        error = "select last_error from notice_targets where user_id = %s and channel = 'webhook'"
        wait_until(lambda: ("the host has answered 307",) in desk.run(error, who), "the refusal")
        assert first.requests
        assert not inside.requests


def test_without_the_operators_word_this_machine_is_not_reached(desk):
    desk.settings.write_text("")
    who = desk.made.people[0]
    with Host() as host:
        desk.hook(who, host.url)
        desk.start()
        error = "select last_error from notice_targets where user_id = %s and channel = 'webhook'"
        wait_until(
            lambda: ("the host is not on the internet",) in desk.run(error, who), "the refusal"
        )
        assert not host.requests


def test_a_push_service_that_has_forgotten_a_browser_is_not_asked_again(desk):
    who = desk.made.people[0]
    with PushService() as push, PushService() as gone:
        gone.answer = 410
        desk.subscribe(who, push.subscription())
        desk.subscribe(who, gone.subscription())
        desk.start()
        desk.wait()
        assert desk.has_all(who, [one["id"] for one in push.notices()])
        # What is urgent and what is not are sent apart.
        assert 1 <= len(gone.requests) <= 2
        assert len(desk.run("select id from push_subscriptions where user_id = %s", who)) == 1


def test_quiet_hours_hold_back_what_is_not_urgent(desk):
    who = desk.made.people[0]
    quiet = "update notice_settings set quiet_from = %s, quiet_until = %s where user_id = %s"
    desk.run(quiet, "00:00", "23:59", who)
    desk.run("select add_notice(%s, 'now', 'login', true, 'A login', 'From here', '{}')", who)
    desk.start()
    others = desk.made.people[1:]
    wait_until(lambda: all(desk.has_all(one, desk.mailed(one)) for one in others), "the others")
    wait_until(lambda: "now" in desk.mailed(who), "what is urgent")
    urgent = "select key from notices where user_id = %s and is_urgent order by id"
    assert desk.mailed(who) == [row[0] for row in desk.run(urgent, who)]
    desk.run(quiet, "", "", who)
    desk.run("update notice_targets set next_at = now()")
    desk.wait()
    assert desk.has_all(who, desk.mailed(who))


def test_a_price_alert_fires_once_by_the_first_trade_after_it(tmp_path, postgresql):
    with desk_of(tmp_path, postgresql, 600) as desk:
        who = desk.made.people[0]
        trades = desk.run(
            "select seq, price_ticks, at_ms from history.trades where instrument = 0 order by trade"
        )
        assert len(trades) > 40
        middle = len(trades) // 2
        since, limit = trades[middle][0], max(row[1] for row in trades[middle + 1 :]) - 1
        met = next(row for row in trades if row[0] > since and row[1] >= limit)
        add = """
            insert into price_alerts (user_id, instrument, symbol, direction, price_ticks,
                created_seq) values (%s, 0, 'BTC-USD', %s, %s, %s)
        """
        desk.run(add, who, "above", limit, since)
        desk.run(add, who, "above", limit, trades[-1][0])
        desk.run(add, who, "below", 1, 0)
        desk.start()
        desk.wait()
        wait_until(lambda: desk.run("select trades from notice_sources")[0][0] > 0, "the trades")
        fired = desk.run("select id, fired_ticks from price_alerts order by id")
        assert [row[1] for row in fired] == [met[1], None, None]
        made = desk.run("select data from notices where event = 'price'")
        assert [row[0]["alert"] for row in made] == [fired[0][0]]


def test_an_alert_that_comes_after_its_trade_was_read_fires_all_the_same(tmp_path, postgresql):
    """The history may be ahead of what the server knows when it sets the alert."""
    with (
        desk_of(tmp_path, postgresql, 600) as desk,
        psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection,
    ):
        news = News(Markets(desk.made.file), connection)
        while news.step():
            pass
        query = "select seq, price_ticks from history.trades where instrument = 0 order by trade"
        trades = desk.run(query)
        since, limit = trades[-9][0], min(row[1] for row in trades[-8:])
        met = next(row for row in trades if row[0] > since and row[1] <= limit + 1)
        add = """
            insert into price_alerts (user_id, instrument, symbol, direction, price_ticks,
                created_seq) values (%s, 0, 'BTC-USD', 'below', %s, %s)
        """
        for seq in (since, trades[-1][0]):
            desk.run(add, desk.made.people[0], limit + 1, seq)
        for _ in range(2):
            news.step()
        fired = desk.run("select fired_ticks from price_alerts order by id")
        assert fired == [(met[1],), (None,)]
        assert desk.run("select count(*) from notices where event = 'price'") == [(1,)]


@pytest.mark.parametrize("most", [1, 2, 1_000])
def test_a_command_of_any_size_is_one_notice_of_its_order(tmp_path, postgresql, monkeypatch, most):
    """Also where it has more rows than are read at once."""
    monkeypatch.setattr(news_module, "ROWS", most)
    with (
        desk_of(tmp_path, postgresql, 400) as desk,
        psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection,
    ):
        news = News(Markets(desk.made.file), connection)
        while news.step():
            pass
        query = """
            select user_id, data ->> 'seq', data ->> 'order', count(*) from notices
            where event = 'order' group by 1, 2, 3 having count(*) > 1
        """
        assert desk.run(query) == []
        assert sum(one["execution"] == "TRADE" for one in changes_in(desk.url)) > 50


@pytest.mark.promise(
    "A trader in contracts is notified of funding, a contract's end or other terms, a takeover and "
    "collateral that was used, once each and with the ledger's amounts",
    group="portal",
)
@pytest.mark.parametrize("most", [3, 1_000])
def test_what_becomes_of_positions_is_told_with_the_ledgers_amounts(
    tmp_path, postgresql, monkeypatch, most
):
    """The history is read again, and nothing is told twice."""
    monkeypatch.setattr(news_module, "ROWS", most)
    made = contract_market(tmp_path, 6, 1_500, 3, 4)
    state = ledger_state.at(made.file.journal)
    kinds = {Kind.FUNDING, Kind.SETTLED, Kind.ADJUSTED, Kind.TAKEN_OVER}
    wanted = {
        (int(row["participant"]), row["kind"].item(), int(row["cause_seq"])): -int(row["clearing"])
        for row in joined(transactions(made.file.journal, state))
        if row["kind"] in kinds
    }
    url = fresh_database(postgresql)
    follow(made.file, url, once=True)
    with (
        psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection,
        connection.cursor() as cursor,
    ):
        cursor.executemany(
            "insert into users (id, mail, password_hash, is_verified, is_open, participant) "
            "overriding system value values (%(id)s, %(id)s || '@example.com', 'x', true, true, "
            "%(id)s)",
            [{"id": who} for who in made.people],
        )
        for _ in range(2):
            news = News(Markets(made.file), connection)
            while news.step():
                pass
            connection.execute("update notice_sources set account_events = 0")
        query = "select user_id, data from notices where event in ('funding', 'contract', 'margin')"
        rows = connection.execute(query).fetchall()
    told = {
        (row["user_id"], int(Kind[row["data"]["kind"].upper()]), row["data"]["seq"]): int(
            Decimal(row["data"]["paid"]).scaleb(6)
        )
        for row in rows
        if row["data"]["kind"].upper() in {kind.name for kind in kinds}
    }
    assert {kind for _, kind, _ in told} >= {Kind.FUNDING, Kind.SETTLED}
    assert told == wanted


def test_an_alert_of_the_journal_before_waits_for_trades_of_this_one(tmp_path, postgresql):
    with desk_of(tmp_path, postgresql) as desk:
        add = """
            insert into price_alerts (user_id, instrument, symbol, direction, price_ticks,
                created_seq) values (%s, 0, 'BTC-USD', 'above', 1, 1000000000)
        """
        desk.run(add, desk.made.people[0])
        desk.run("insert into notice_sources (journal_id, since_seq) values ('before', 7)")
        with psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection:
            News(Markets(desk.made.file), connection).step()
        assert desk.run("select fired_ticks > 0 from price_alerts") == [(True,)]


def test_a_sub_accounts_mails_go_to_its_parent(desk):
    parent, sub = desk.made.people[:2]
    change = "update users set parent_id = %s, label = 'grid', mail = 'grid@sub.invalid'"
    desk.run(f"{change} where id = %s", parent, sub)
    desk.run("select add_notice(%s, 'subs', 'login', true, 'A title', 'A text', '{}')", sub)
    desk.start()
    wait_until(lambda: "subs" in desk.mailed(parent), "the sub-account's mail")
    desk.wait()
    assert not [mail for mail in desk.mailbox.mails if "sub.invalid" in mail["to"]]
    assert any("sub-account grid: " in mail["Subject"] for mail in desk.mailbox.mails)


def test_a_german_user_has_german_notices_and_mails(desk):
    who, sub, other = desk.made.people[:3]
    desk.run("update users set language = 'de' where id in (%s, %s)", who, sub)
    change = "update users set parent_id = %s, label = 'grid', mail = 'grid@sub.invalid'"
    desk.run(f"{change} where id = %s", who, sub)
    desk.run(
        "update notice_settings set summary = 'daily', summary_next = now(), currency = 'USD' "
        "where user_id = %s",
        who,
    )
    desk.start()
    summary = "select title from notices where event = 'summary'"
    wait_until(lambda: desk.run(summary), "the summary")
    assert desk.run(summary)[0][0].startswith("Ihr Portfolio ist ")
    desk.wait()
    query = """
        select count(*), count(*) filter (where title ~ ': (Ihr|Der Stop Ihres) ') from notices
        where user_id = %s and event = 'order'
    """
    for one, is_german in ((who, True), (sub, True), (other, False)):
        every, german = desk.run(query, one)[0]
        assert every > 0
        assert german == (every if is_german else 0)
    mails = [one for one in desk.mailbox.mails if one["To"] == f"p{who}@example.com"]
    subjects = [one["Subject"] for one in mails]
    assert any(one.endswith(" Mitteilungen") for one in subjects)
    assert any(": Unterkonto grid: " in one for one in subjects)
    assert not any("notifications" in one for one in subjects)


def test_a_summary_is_of_its_owners_day(desk):
    """At 1:00 in Berlin it is the day before in summer, and the same day in winter, in UTC."""
    who = desk.made.people[2]
    choose = """
        update notice_settings set summary = 'daily', summary_at = '01:00', summary_next = %s,
            time_zone = 'Europe/Berlin' where user_id = %s
    """
    query = "select data ->> 'day' from notices where event = 'summary' order by id"
    with psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection:
        for at in ("2026-03-29T00:00Z", "2026-03-29T23:00Z"):
            desk.run(choose, at, who)
            Notifier(desk.made.file, connection, None).summarise(datetime.fromisoformat(at))
    assert desk.run(query) == [("2026-03-29",), ("2026-03-30",)]


def test_a_summary_waits_for_the_books_and_is_of_the_day_that_it_is_late_for(tmp_path, postgresql):
    """It is not lost while there is no history, and what it says is of its last day."""
    query = "select data ->> 'day' from notices where event = 'summary' order by id"
    with desk_of(tmp_path, postgresql, begins=False) as desk:
        choose = """
            update notice_settings set summary = 'daily', summary_at = '23:59',
                summary_next = '2026-05-01T23:59Z' where user_id = %s
        """
        desk.run(choose, desk.made.people[2])
        with psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection:
            notifier = Notifier(desk.made.file, connection, None)
            notifier.summarise(datetime(2026, 5, 1, 23, 59, 30, tzinfo=UTC))
            due = desk.run("select summary_next from notice_settings where summary <> ''")
            assert due == [(datetime(2026, 5, 2, 0, 0, 30, tzinfo=UTC),)]
            assert desk.run(query) == []
            follow(desk.made.file, desk.url, once=True)
            for at in ("2026-05-02T00:00:40Z", "2026-05-02T00:01Z", "2026-05-05T12:00Z"):
                notifier.summarise(datetime.fromisoformat(at))
        assert desk.run(query) == [("2026-05-01",), ("2026-05-04",)]


def test_a_summary_that_a_wrong_clock_has_put_off_is_due_again(desk):
    desk.run(
        "update notice_settings set summary = 'weekly', summary_next = '2031-01-01T08:00Z' "
        "where user_id = %s",
        desk.made.people[2],
    )
    with psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection:
        now = datetime(2026, 5, 1, tzinfo=UTC)
        Notifier(desk.made.file, connection, None).summarise(now)
    due = desk.run("select summary_next from notice_settings where summary <> ''")
    assert due == [(datetime(2026, 5, 4, 8, tzinfo=UTC),)]
    assert desk.run("select count(*) from notices where event = 'summary'") == [(0,)]


def test_a_summary_is_made_over_the_notifiers_own_connection(desk, monkeypatch):
    """Another one would need the database's password."""
    desk.run(
        "update notice_settings set summary = 'daily', summary_next = '2026-05-01T08:00Z' "
        "where user_id = %s",
        desk.made.people[2],
    )
    with psycopg.connect(desk.url, autocommit=True, row_factory=dict_row) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg, "connect", None)
            notifier = Notifier(desk.made.file, connection, None)
            notifier.summarise(datetime(2026, 5, 1, 9, tzinfo=UTC))
        assert connection.execute("select 1 as one").fetchone() == {"one": 1}
    assert desk.run("select count(*) from notices where event = 'summary'") == [(1,)]


def test_a_summary_is_what_the_ledger_says(desk):
    from openoutcry.ledger import ledger_state, portfolio
    from openoutcry.portal.trading.instruments import text_of

    who = desk.made.people[2]
    desk.run(
        "update notice_settings set summary = 'daily', summary_next = now(), currency = 'USD' "
        "where user_id = %s",
        who,
    )
    desk.start()
    query = "select data from notices where event = 'summary'"
    wait_until(lambda: desk.run(query), "the summary")
    books = ledger_state.at(desk.made.file.journal).books
    rows = portfolio.holdings(books, who, "USD").rows
    value = sum(row[7] for row in rows)
    assert desk.run(query)[0][0]["value"] == text_of(value, 6)
    due = desk.run("select summary_next > now() from notice_settings where user_id = %s", who)
    assert due == [(True,)]


def test_a_database_that_restarts_is_waited_for(desk):
    """Its connections end, again and again, in the middle of the work."""
    desk.start()
    deaths = 0
    end = """
        select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
    """
    while deaths < 8:
        deaths += desk.run(end)[0][0]
        time.sleep(0.3)
    desk.wait()
    assert deaths
    assert desk.process.poll() is None
    for who in desk.made.people:
        assert desk.has_all(who, dict.fromkeys(desk.mailed(who)))
