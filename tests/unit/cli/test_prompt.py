"""The prompt of ``outcry client``: a wrong line is answered by one line, and nothing is sent for
it; a session lives as long as its prompt waits."""

import os
import random

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli import client as client_command
from openoutcry.cli.prompt import HELP, USAGES, Prompt
from openoutcry.cli.typed_lines import typed_lines
from openoutcry.client import ClientError, FixClient, OuchClient, price4
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    REDUCE_ONLY,
    SELF_TRADE_SHIFT,
    TIF_MASK,
    CommandKind,
    Contingency,
    OrderType,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.words import ORDER_TYPES, TIMES
from tests.support.cli.order_words import FORMS, TIME_WORDS
from tests.support.cli.prompt import LOOK_S, PromptBench, keyboard
from tests.support.venue.inline import InlineVenue

SESSIONS = (
    {"name": "ALPHA", "participant": 1, "timeout_ms": 15_000},
    {"name": "FIVE", "participant": 2, "protocol": int(Protocol.OUCH50), "timeout_ms": 15_000},
    {"name": "FIRM", "participant": 3, "protocol": int(Protocol.FIX44)},
    {"name": "MEM", "participant": 4, "protocol": int(Protocol.SHM)},
    {"name": "COPY", "participant": 1, "protocol": int(Protocol.DROP_COPY), "timeout_ms": 15_000},
)
KINDS = ("4.2", "5.0", "fix")


@pytest.mark.parametrize("kind", Contingency)
def test_a_list_is_typed_over_fix_and_shared_memory(bench, kind):
    line = f"list {kind.name.lower()} ACME sell 5 12 / sell 5 market stop=9"
    if kind in (Contingency.OTOCO, Contingency.OTOUO):
        line = line.replace("ACME", "ACME buy 5 10 /")
    for typing in (bench.fix("FIRM"), bench.shm("MEM")):
        said = bench.says(typing, line)
        name = next(one.split()[1] for one in said if one.startswith("list "))
        bench.venue.step()
        terms = [one for one in bench.venue.commands() if one["kind"] == CommandKind.TERMS]
        assert terms[-1]["aux"] & 7 == kind
        count = line.count("/") + 1
        assert len(bench.says(typing, "wait 0")) >= count - len(said)
        assert len(bench.says(typing, "orders")) == count
        bench.says(typing, f"cancel-list {name}")
        bench.venue.step()
        bench.says(typing, "wait 0")
        assert bench.says(typing, "orders") == []
    (said,) = bench.says(typing_of(bench, "4.2"), line)
    assert "OUCH has no lists" in said


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    with InlineVenue(SESSIONS, tmp_path / "journal") as venue:
        yield PromptBench(venue, monkeypatch, capsys)


def typing_of(bench, kind) -> Prompt:
    if kind == "fix":
        return bench.fix("FIRM")
    return bench.ouch("FIVE" if kind == "5.0" else "ALPHA", kind)


def orders_of(bench) -> np.ndarray:
    commands = bench.venue.commands()
    return commands[commands["qty_lots"] > 0]


WRONG = {
    "sell ACME -1 2000": "'-1' is not a whole number of at least 1",
    "sell ACME 0 2000": "'0' is not a whole number of at least 1",
    "sell ACME 1_000 2000": "'1_000' is not a whole number",
    "sell ACME 1.5 2000": "'1.5' is not a whole number",
    "sell ACME ٣ 2000": "is not a whole number",
    "sell ACME 99999999999999999999 1": "is not a whole number",
    "buy ACME 1 1e3": "price '1e3' is not a number",
    "buy ACME 1 1_0": "price '1_0' is not a number",
    "buy ACME 1 nan": "price 'nan' is not a number",
    "buy ACME 1 10 shown": "'shown' is unknown after the price",
    "buy ACME 1 10 IOC": "'IOC' is unknown after the price",
    "buy ACME 1 10 ioc fok": "'fok' is a second time in force",
    "buy ACME 1 10 ioc until=5": "`until` is a second time in force",
    "buy ACME 1 10 hidden hidden": "'hidden' is there twice",
    "buy ACME 1 10 hidden iceberg=2": "'10 hidden iceberg=2' makes no order",
    "buy ACME 1 market iceberg=2": "'market iceberg=2' makes no order",
    "buy ACME 1 10 offset=2": "'10 offset=2' makes no order",
    "buy ACME 1 10 peg=far": "'10 peg=far' makes no order",
    "buy ACME 1 10 iceberg=": "'iceberg=' is unknown after the price",
    "buy ACME 1 10 self-trade=all": "self-trade=all is unknown",
    "buy ACME 1 market stop=9 by=far": "by=far is unknown",
    "buy ACME 1 10 by=mid": "'10 by=mid' makes no order",
    "buy ACME 1 market stop=9 activation=8": "makes no order",
    "buy ACME 1": "PRICE is missing: buy SYMBOL QTY PRICE [WORD…]",
    "buy": "SYMBOL is missing",
    "replace C9 1 10": "C9 is not an open order",
    "cancel C9": "C9 is not an open order",
    "modify C9 T 5": "C9 is not an open order",
    "orders all": "'all' is one word too many: orders",
    "mass-cancel ACME BOLT": "'BOLT' is one word too many",
    "list oco ACME buy 1 10": "a list has 2 to 8 orders",
    "list all ACME buy 1 10 / buy 1 9": "'all' is no kind of list: oco",
    "list oco ACME buy 1 10 / 1 9": "'1 9' is not SIDE QTY PRICE",
    "list oco ACME buy 1 10 / buy 1 market stop=12 by=mid": "has no other term",
    "cancel-list": "LIST is missing",
    "quit now": "'now' is one word too many",
    "wait soon": "'soon' is not a number of seconds",
    "wait inf": "'inf' is not a number of seconds",
    "wait -1": "'-1' is not a number of seconds",
    "fly": "there is no such command",
    "BUY ACME 1 10": "there is no such command",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_named_and_nothing_is_sent(bench, kind):
    typing = typing_of(bench, kind)
    for line, why in WRONG.items():
        (said,) = bench.says(typing, line)
        assert said.startswith(line), said
        assert why in said, said
    assert len(orders_of(bench)) == 0
    assert bench.says(typing, "buy ACME 1 10")[0].startswith("order ")
    assert len(orders_of(bench)) == 1


@pytest.mark.parametrize("kind", ["4.2", "5.0"])
def test_what_the_message_cannot_hold_is_named(bench, kind):
    typing = typing_of(bench, kind)
    for line, why in {
        "sell ACME 4294967296 10": "4294967296 is not 0 to 4294967295",
        "sell ACMEACMEACMEACMEACMEACMEA 1 10": "is not 1 to 24 printable ASCII characters",
        "sell GÖLD 1 10": "'GÖLD' is not 1 to 24 printable ASCII characters",
    }.items():
        (said,) = bench.says(typing, line)
        assert why in said
    # What could not be said has used up no name.
    assert bench.says(typing, "buy ACME 1 10")[0] in ("order C1", "order 1")


def test_any_words_are_answered_by_lines(bench):
    """Random words, from what is meant to what is not: no exception, and no order but from a whole
    command."""
    typing = {kind: typing_of(bench, kind) for kind in KINDS}
    words = [
        *USAGES,
        "ACME",
        "BOLT",
        "NOPE",
        "C1",
        "1",
        "F1",
        "10",
        "-1",
        "0",
        "4294967295",
        "1e9",
        "9" * 30,
        "ioc",
        "hidden",
        "\x1b[2J",
        "é",
        "T",
        "market",
        ".",
        "1.00001",
        "",
    ]
    never = {"quit", "exit", "listen", "wait"}
    quiet = {"orders", "cancel", "mass-cancel", "cancel-list", "list-status"}
    rng = random.Random(48)
    for _ in range(300):
        line = " ".join(rng.choice(words) for _ in range(rng.randint(1, 6))).split()
        if not line or line[0] in never:
            continue
        kind = rng.choice(KINDS)
        if not (said := bench.says(typing[kind], " ".join(line))):
            assert line[0] not in USAGES or line[0] in quiet, line
        assert all("\x1b" not in text for text in said)


def test_a_replace_names_an_order_that_is_open(bench):
    typing = bench.ouch("ALPHA")
    assert bench.says(typing, "buy ACME 5 10")[0] == "order C1"
    assert "is not an open order" in bench.says(typing, "replace C9 5 11")[0]
    assert bench.says(typing, "replace C1 5 11")[0] == "order C2"
    assert "C1 is not an open order" in bench.says(typing, "replace C1 5 12")[0]
    assert "asked for" in bench.says(typing, "cancel C2")[0]
    assert "C2 is not an open order" in bench.says(typing, "cancel C2")[0]
    typing.session.logout()
    # A login for new messages alone has heard of no order before it.
    late = bench.ouch("ALPHA", sequence=0)
    assert "that this login has heard of" in bench.says(late, "cancel C2")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_venue_has_not_answered_yet_can_be_cancelled(bench, kind, monkeypatch):
    """Lines that come faster than answers do: a script, or a venue that takes its time."""
    typing = typing_of(bench, kind)
    listen = typing.listen
    monkeypatch.setattr(typing, "listen", lambda timeout_s: None)
    bench.says(typing, "buy ACME 5 10")
    (first,) = typing.unanswered
    bench.says(typing, f"replace {first} 4 10")
    assert len(typing.unanswered) == 2
    assert bench.says(typing, f"cancel {first}") == []
    listen(0)
    assert not typing.unanswered
    bench.says(typing, "buy NOPE 5 10")
    assert len(typing.unanswered) == 1
    listen(0)
    assert not typing.unanswered


def test_reasons_come_with_words(bench):
    typing = bench.ouch("ALPHA")
    assert bench.says(typing, "buy NOPE 1 10")[1].endswith("reason=S (no such instrument)")
    assert bench.says(typing, "buy ACME 1 10 ioc")[2].endswith(
        "reason=I (immediate or cancel: the untraded remainder)"
    )
    five = bench.ouch("FIVE", "5.0")
    assert bench.says(five, "buy NOPE 1 10")[1].endswith("reason=23 (no such instrument)")


def test_names_of_5_0_continue_after_those_of_the_day(bench):
    """A mass cancel as the first command of a later login was one that the venue has had."""
    typing = bench.ouch("FIVE", "5.0")
    bench.says(typing, "buy ACME 1 10")
    typing.session.logout()
    again = bench.ouch("FIVE", "5.0")
    again.listen(0)
    said = bench.says(again, "mass-cancel")
    assert [line.split()[1] for line in said] == ["canceled", "mass_cancel_response"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_session_lives_while_the_prompt_waits(bench, kind, monkeypatch):
    """Two minutes pass before a line is typed; then its order is taken."""
    typing = typing_of(bench, kind)
    looks = 0
    looked = typing.look

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 120 / LOOK_S:
            typing.line.passes_s = 0.0
            os.write(writing, b"buy ACME 1 10\nquit\n")
        return looked()

    typing.look, typing.line.passes_s = look, LOOK_S
    with keyboard() as (source, writing):
        monkeypatch.setattr("sys.stdin", source)
        bench.capsys.readouterr()
        client_command._read(typing, typing.line)
    said = bench.capsys.readouterr().out
    assert "order " in said
    assert "accepted" in said or "OrdStatus=0" in said
    typing.session.logout()


def test_a_drop_copy_lives_while_nothing_happens(bench):
    copy = bench.copy("COPY")
    copy.connection.socket.passes_s = LOOK_S
    assert copy.next(60.0) is None
    bench.says(bench.ouch("ALPHA"), "buy ACME 1 10")
    assert copy.next(1.0).token == "C1"


def test_what_comes_meanwhile_is_shown_and_the_prompt_again(bench, capsys):
    """A fill is printed although nothing was typed; lines that come in pieces are lines."""
    typing = bench.ouch("ALPHA")
    bench.says(typing, "buy ACME 2 10")
    looks = iter((b"hel", b"p\norders\nla", b"st"))

    def look() -> bool:
        piece = next(looks, None)
        os.write(writing, piece) if piece else os.close(writing)
        return piece == b"hel" and typing.look()

    bench.says(bench.ouch("FIVE", "5.0"), "sell ACME 2 10")
    with keyboard() as (source, writing):
        assert list(typed_lines(source, typing.line, look)) == ["help", "orders", "last"]
    assert "2 executed token=C1 shares=2" in capsys.readouterr().out


def test_what_no_login_can_say_is_one_line():
    """Nothing is connected for a login that cannot be written."""
    for terms, why in (
        ({"username": "ABCDEFGHIJ"}, "username 'ABCDEFGHIJ' has 10 characters; at most 6 fit"),
        ({"password": "elevenchars"}, "password has 11 characters; at most 10 fit"),
        ({"username": "é"}, "username 'é' is not ASCII"),
        ({"sequence": 10**25}, "has 26 characters"),
    ):
        login = {"username": "ALPHA", "password": "secret"} | terms
        with pytest.raises(ClientError, match=why):
            OuchClient("nowhere.invalid", 1, **login)
    with pytest.raises(ClientError, match="password is empty"):
        FixClient("nowhere.invalid", 1, "FIRM", "")
    with pytest.raises(ClientError, match="label"):
        OuchClient("a..b", 1, "ALPHA", "secret")


@pytest.mark.parametrize("price", ["1e3", "1_0", "٣", "nan", "inf", " 1", "1 ", "0x1", ""])
def test_a_price_is_plain_digits(price):
    with pytest.raises(ValueError, match="is not a number"):
        price4(price)


def test_every_usage_is_in_the_help():
    for command in set(USAGES) - {"exit", "help"}:
        assert command in HELP


def test_what_tls_is_to_trust_is_said_right(tmp_path, outcry):
    """A certificate that is none, one that is not there, and a name without TLS."""
    file = tmp_path / "no.pem"
    file.write_text("no certificate")
    where = ["client", "ouch", "127.0.0.1:1", "--user", "A", "--password", "p"]
    done = outcry(*where, "--ca", file)
    assert done.returncode == 1
    assert f"{file}: no certificate in PEM" in done.stderr
    done = outcry(*where, "--ca", tmp_path / "none.pem")
    assert done.returncode == 1
    assert "No such file" in done.stderr
    done = outcry(*where, "--server-name", "venue")
    assert done.returncode == 2
    assert "--server-name needs --tls or --ca" in done.stderr


DOORS = {"4.2": "OUCH 4.2", "5.0": "OUCH 5.0", "fix": "FIX D"}


def last_order(bench):
    return bench.venue.commands()[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_form_of_an_order_is_typed_or_refused_by_its_name(bench, kind):
    """What ``wire/words.py`` says of a protocol is what its prompt sends."""
    assert set(FORMS) == set(OrderType)
    typing, offered = typing_of(bench, kind), ORDER_TYPES.offered(DOORS[kind])
    for order_type, words in FORMS.items():
        before = len(bench.venue.commands())
        said = bench.says(typing, f"buy ACME 5 {words}")
        if order_type not in offered or (kind == "4.2" and "offset" in words):
            assert len(said) == 1, said
            assert DOORS[kind] in said[0]
            assert len(bench.venue.commands()) == before
            continue
        assert said[0].startswith("order "), said
        assert len(bench.venue.commands()) == before + 1, said
        assert last_order(bench)["order_type"] == order_type, (words, said)
        assert last_order(bench)["qty_lots"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_time_in_force_is_typed_or_refused_by_its_name(bench, kind):
    typing = typing_of(bench, kind)
    door = "FIX" if kind == "fix" else DOORS[kind]
    offered = TIMES.offered(door)
    for tif, word in TIME_WORDS.items():
        if tif == TimeInForce.GTD:
            word = "until=20991231-22:00:00" if kind == "fix" else "until=60"
        before = len(bench.venue.commands())
        said = bench.says(typing, f"buy ACME 5 10 {word}")
        if tif not in offered:
            assert len(said) == 1, said
            assert len(bench.venue.commands()) == before
            continue
        assert len(bench.venue.commands()) == before + 1, said
        assert last_order(bench)["time_in_force"] & TIF_MASK == tif, said


def test_reduce_only_and_the_self_trade_mode_are_typed_over_fix(bench):
    typing = typing_of(bench, "fix")
    bench.says(typing, "buy ACME 5 10 reduce-only all-or-none self-trade=oldest")
    order = last_order(bench)
    assert order["order_type"] == OrderType.ALL_OR_NONE
    assert order["time_in_force"] & REDUCE_ONLY
    assert order["time_in_force"] >> SELF_TRADE_SHIFT & 7 == 2
    (said,) = bench.says(typing_of(bench, "4.2"), "buy ACME 5 10 reduce-only")
    assert "OUCH 4.2 has neither reduce-only orders" in said


def test_each_form_is_typed_over_shared_memory(bench):
    typing = bench.shm("MEM")
    for order_type, words in FORMS.items():
        said = bench.says(typing, f"buy ACME 5 {words}")
        assert said[0].startswith("order M"), said
        assert last_order(bench)["order_type"] == order_type, (words, said)
    for tif, word in TIME_WORDS.items():
        word = "until=20991231-22:00:00" if tif == TimeInForce.GTD else word
        bench.says(typing, f"buy ACME 5 10 {word}")
        assert last_order(bench)["time_in_force"] & TIF_MASK == tif
    bench.says(typing, "buy ACME 5 10 reduce-only self-trade=both")
    assert last_order(bench)["time_in_force"] & REDUCE_ONLY


def test_quotes_over_shared_memory_are_listed_replaced_and_cancelled(bench):
    typing = bench.shm("MEM")
    bench.says(typing, "quote ACME 5 10 5 12")
    bench.venue.step()
    sides = [
        "ACME-bid side=BUY symbol=ACME open=5 price=10",
        "ACME-offer side=SELL symbol=ACME open=5 price=12",
    ]
    assert bench.says(typing, "orders")[-2:] == sides
    bench.says(typing, "quote ACME 4 10 0 0 self-trade=oldest")
    bench.venue.step()
    assert bench.says(typing, "orders")[-1] == "ACME-bid side=BUY symbol=ACME open=4 price=10"
    assert last_order(bench)["time_in_force"] >> SELF_TRADE_SHIFT & 7 == 2
    bench.says(typing, "quote-cancel")
    bench.venue.step()
    assert "quotes_canceled" in bench.says(typing, "orders")[-1]
    bench.says(typing, "quote ACME 4 10 0 0 post-only gtc")
    order = last_order(bench)
    assert (order["order_type"], order["time_in_force"] & TIF_MASK) == (OrderType.POST_ONLY, 4)
    for line, why in {
        "quote ACME 5 10 5": "OFFER is missing",
        "quote ACME 5 10 5 12 hidden": "makes no quote",
        "quote ACME 5 10 5 12 reduce-only": "makes no quote",
        "quote ACME 5 1.5 5 12": "is not a whole number of ticks or lots",
        "quote ACME -1 10 5 12": "is not a whole number",
        "quote-cancel ACME TIN": "one word too many",
    }.items():
        assert why in bench.says(typing, line)[-1], line


def test_orders_over_shared_memory_are_listed_replaced_and_cancelled(bench):
    typing = bench.shm("MEM")
    bench.says(typing, "buy ACME 5 10")
    bench.venue.step()
    assert bench.says(typing, "orders")[-1:] == ["M1 side=BUY symbol=ACME open=5 price=10"]
    bench.says(typing, "replace M1 4 11")
    bench.venue.step()
    assert bench.says(typing, "orders")[-1] == "M2 side=BUY symbol=ACME open=4 price=11"
    for line, why in {
        "cancel M2 1": "cancels the whole order",
        "modify M2 B 1": "has no modify",
        "status": "see `orders`",
        "query": "needs OUCH 5.0",
        "buy ACME 5 1.5": "is not a whole number of ticks or lots",
        "buy ACME 5 10 until=soon": "is not YYYYMMDD-HH:MM:SS",
        "buy ACME 5 market stop=12 by=mid until=20991231-22:00:00": "not both",
    }.items():
        assert why in bench.says(typing, line)[-1], line
    bench.says(typing, "cancel M2")
    bench.venue.step()
    bench.says(typing, "wait 0")
    assert bench.says(typing, "orders") == []


def test_a_key_that_is_not_hexadecimal_is_named():
    result = CliRunner().invoke(
        client_command.shm, ["shm.socket", "--user", "MEM", "--key", "zz"], catch_exceptions=True
    )
    assert "--key: it is not hexadecimal" in str(result.exception)


def test_terms_are_typed_over_shared_memory_and_named_elsewhere(bench):
    typing = bench.shm("MEM")
    for words, term in {
        "market stop=12 by=own-quote": Term.TRIGGER,
        "market trail=2 activation=7": Term.TRIGGER,
        "10 iceberg=2 until=20991231-22:00:00": Term.EXPIRY,
        "market stop=12 until=20991231-22:00:00": Term.EXPIRY,
    }.items():
        said = bench.says(typing, f"buy ACME 5 {words}")
        assert said[0].startswith("order M"), said
        terms, new = bench.venue.commands()[-2:]
        assert (terms["kind"], terms["order_type"]) == (CommandKind.TERMS, term)
        assert new["order_id"] == terms["order_id"]
        bench.venue.step()
        assert not any("rejected" in line for line in bench.says(typing, "wait 0"))
    (said,) = bench.says(typing_of(bench, "4.2"), "buy ACME 5 market stop=12 by=mid")
    assert "OUCH 4.2 has no word for TRIGGER (term)" in said


def test_terms_are_typed_over_fix(bench):
    typing = typing_of(bench, "fix")
    for words, (term, aux) in {
        "market stop=12 by=own-quote": (Term.TRIGGER, TriggerBy.OWN_QUOTE),
        "market stop=12 by=opposite-quote": (Term.TRIGGER, TriggerBy.OPPOSITE_QUOTE),
        "market stop=12 by=mid": (Term.TRIGGER, TriggerBy.MID),
        "market trail=2 activation=7": (Term.TRIGGER, HAS_ACTIVATION),
        "10 iceberg=2 until=20991231-22:00:00": (Term.EXPIRY, None),
    }.items():
        bench.says(typing, f"buy ACME 5 {words}")
        bench.venue.step()
        terms, _ = bench.venue.commands()[-2:]
        assert (terms["kind"], terms["order_type"]) == (CommandKind.TERMS, term), words
        assert aux in (None, terms["aux"])
    (said,) = bench.says(typing, "buy ACME 5 market stop=12 by=mid until=20991231-22:00:00")
    assert "not both" in said
