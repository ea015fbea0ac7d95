"""Orders with terms over FIX: an expiry of any type, a trigger's own price."""

import pytest

from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import HAS_ACTIVATION, CommandKind, Term, TimeInForce, TriggerBy
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.support.order_entry.sessions_clients import fields_of
from tests.support.venue.inline import InlineVenue

FIX = int(Protocol.FIX44)
UNTIL = "20991130-22:00:00"


def rows(**more):
    return [
        {"name": name, "participant": number, "protocol": FIX, **more}
        for number, name in enumerate(("FIRM", "OTHER"), 1)
    ]


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(rows(), tmp_path / "journal") as venue:
        yield venue


def enter(client, side, name=None, kind="D", **more):
    """Send an order for 5 ACME; return its name."""
    name = name or f"T{client.numbers.next_out}"
    fields = {11: name, 55: "ACME", 54: side, 38: "5", 60: "20260102-10:00:00"}
    fields |= {int(tag[1:]): text for tag, text in more.items()}
    client.send(kind, tuple(fields.items()))
    return name


def stop(client, **more):
    """A stop to sell 5 ACME."""
    return enter(client, "2", **{"t40": "3", "t99": "0.90", **more})


def replace(client, order, **more):
    """Reduce a stop to 4 lots."""
    return stop(client, kind="G", t38="4", t41=order, **more)


def commands(venue):
    return venue.commands()[-2:]


def answer(client, *tags):
    (told,) = fields_of(client, 1, *tags)
    return told


def test_a_stop_and_an_iceberg_are_good_until_a_date(venue):
    with venue.fix("FIRM") as firm:
        stop(firm, t59="6", t126=UNTIL)
        assert answer(firm, 150, 59, 99) == ("0", "6", "0.9000")
        terms, new = commands(venue)
        assert (terms["kind"], terms["order_type"]) == (CommandKind.TERMS, Term.EXPIRY)
        assert (new["kind"], new["time_in_force"] & 15) == (CommandKind.NEW, TimeInForce.GTC)
        assert terms["order_id"] == new["order_id"] >= LEG_ORDER_IDS
        name = firm.buy("ACME", 5, "1.00", t111="2", t59="6", t432="20991130")
        assert answer(firm, 150, 59) == ("0", "6")
        firm.replace(name, "ACME", "1", 4, "1.00", t111="2")
        assert answer(firm, 150, 59, 38) == ("5", "6", "4")
        firm.mass_cancel()
        assert fields_of(firm, 3, 35) == [("8",), ("8",), ("r",)]


@pytest.mark.parametrize(
    ("side", "letter", "by"),
    [
        ("2", "2", TriggerBy.LAST),
        ("2", "1", TriggerBy.OWN_QUOTE),
        ("2", "3", TriggerBy.OPPOSITE_QUOTE),
        ("1", "3", TriggerBy.OWN_QUOTE),
        ("1", "1", TriggerBy.OPPOSITE_QUOTE),
        ("1", "6", TriggerBy.MID),
    ],
)
def test_a_stop_names_the_price_that_elects_it(venue, side, letter, by):
    with venue.fix("FIRM") as firm:
        enter(firm, side, t40="3", t99="2.00", t1107=letter)
        assert answer(firm, 150) == ("0",)
        terms, _ = commands(venue)
        assert (terms["order_type"], terms["aux"]) == (Term.TRIGGER, by)


def test_a_stop_is_elected_by_the_offer(venue):
    with venue.fix("FIRM", prefix="A") as firm, venue.fix("OTHER", prefix="B") as other:
        name = stop(firm, t1107="1", t99="0.95")
        assert answer(firm, 150) == ("0",)
        other.sell("ACME", 1, "0.94")
        assert fields_of(firm, 1, 150, 11) == [("L", name)]


@pytest.mark.parametrize("letter", "MI")
def test_a_mark_elects_only_where_there_is_one(venue, letter):
    with venue.fix("FIRM") as firm:
        stop(firm, t1107=letter)
        assert answer(firm, 150, 103) == ("8", "11")
        terms, new = commands(venue)
        assert (terms["kind"], new["kind"]) == (CommandKind.TERMS, CommandKind.NEW)


def test_a_trailing_stop_has_an_activation_price(venue):
    with venue.fix("FIRM") as firm:
        enter(firm, "2", t40="P", t18="a", t211="0.05", t1102="1.50", t1107="2")
        assert answer(firm, 150) == ("0",)
        terms, _ = commands(venue)
        assert terms["aux"] == TriggerBy.LAST | HAS_ACTIVATION
        assert terms["price_ticks"] == 15_000


@pytest.mark.parametrize(
    ("fields", "reason", "tag"),
    [
        ({"t1107": "2"}, "99", "1107"),
        ({"t1102": "1.00"}, "99", "1102"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t1102": "1.00"}, "99", "1102"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t1107": "7"}, "5", "1107"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t1107": "22"}, "5", "1107"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t1107": ""}, "4", "1107"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t59": "6"}, "1", "126"),
        ({"t40": "3", "t99": "1.00", "t44": None, "t59": "6", "t126": "x"}, "6", "126"),
        ({"t40": "P", "t18": "a", "t211": "1", "t44": None, "t1102": "x"}, "6", "1102"),
    ],
)
def test_a_field_that_is_wrong_is_rejected_by_its_tag(venue, fields, reason, tag):
    with venue.fix("FIRM") as firm:
        wanted = {"t40": "2", "t44": "1.00", **fields}
        sent = [(int(name[1:]), text) for name, text in wanted.items() if text is not None]
        firm.send(
            "D", [(11, "C1"), (55, "ACME"), (54, "1"), (38, "5"), (60, "20260102-10:00:00"), *sent]
        )
        assert answer(firm, 35, 373, 371) == ("3", reason, tag)
        firm.buy("ACME", 5, "1.00")
        assert answer(firm, 150) == ("0",)


@pytest.mark.parametrize(
    "more",
    [
        {"t1107": "4"},
        {"t1107": "5"},
        {"t1107": "2", "t59": "6", "t126": UNTIL},
    ],
)
def test_what_is_not_offered_is_refused_and_leaves_nothing(venue, more):
    with venue.fix("FIRM") as firm:
        name = stop(firm, **more)
        assert answer(firm, 150, 103) == ("8", "11")
        stop(firm, name=name)
        assert answer(firm, 150) == ("0",)


def test_a_replace_has_no_terms(venue):
    limit = {"t40": "4", "t44": "0.80"}
    with venue.fix("FIRM") as firm:
        name = stop(firm, t1107="2", **limit)
        assert answer(firm, 150) == ("0",)
        for more in ({"t1107": "2"}, {"t59": "6", "t126": UNTIL}):
            replace(firm, name, **limit, **more)
            assert answer(firm, 35, 39) == ("9", "0")
        replace(firm, name, **limit)
        assert answer(firm, 150, 38) == ("5", "4")


def test_a_name_that_was_used_is_refused_and_a_possible_resend_says_how_the_order_is(venue):
    with venue.fix("FIRM") as firm:
        name = stop(firm, t1107="2")
        assert answer(firm, 150) == ("0",)
        stop(firm, t1107="2", name=name)
        assert answer(firm, 150, 103) == ("8", "6")
        stop(firm, t1107="2", name=name, t97="Y")
        assert answer(firm, 150, 39) == ("I", "0")
        new = stop(firm, t1107="2", t97="Y")
        assert answer(firm, 150, 11) == ("0", new)


def test_the_venue_file_admits_an_expiry_as_good_till_date(tmp_path):
    times = 1 << TimeInForce.GTC | 1 << TimeInForce.DAY
    with (
        InlineVenue(rows(times_in_force=times), tmp_path / "journal") as venue,
        venue.fix("FIRM") as firm,
    ):
        stop(firm, t59="6", t126=UNTIL)
        assert answer(firm, 150, 39) == ("8", "8")
        stop(firm, t59="1")
        assert answer(firm, 150) == ("0",)


def test_orders_with_terms_go_with_their_lost_session(tmp_path):
    """One by one, as those of a session that is not its participant's only one."""
    sessions = [{"name": name, "participant": 1, "protocol": FIX} for name in ("FIRM", "TWIN")]
    with InlineVenue(sessions, tmp_path / "journal") as venue, venue.fix("TWIN") as twin:
        firm = venue.fix("FIRM")
        stop(firm, t1107="2")
        firm.buy("ACME", 5, "1.00")
        assert len(fields_of(firm, 2, 150)) == 2
        firm.close()
        venue.clock.advance(30)
        kinds = [command["kind"] for command in venue.commands()[-2:]]
        assert kinds == [CommandKind.CANCEL] * 2
        assert twin is not None


@pytest.mark.parametrize(
    ("new", "moved", "price"),
    [
        ({"t40": "3", "t99": "0.90"}, {"t99": "0.80"}, {}),
        ({"t40": "4", "t99": "0.90", "t44": "0.85"}, {"t99": "0.80"}, {"t44": "0.75"}),
        ({"t40": "4", "t99": "0.90", "t44": "0.85"}, {"t99": "0.80", "t44": "0.85"}, {}),
        ({"t40": "3", "t99": "0.90", "t59": "6", "t126": UNTIL}, {"t99": "0.80"}, {}),
    ],
    ids=["a market stop", "with its limit", "under its limit", "until a date"],
)
def test_a_stop_is_moved_to_another_trigger(venue, new, moved, price):
    """It is elected by that, and by the first one no more."""
    with venue.fix("FIRM") as firm, venue.fix("OTHER", prefix="X") as other:
        for trade in ("0.95", "0.88"):
            if trade == "0.88":
                order = enter(firm, "2", **new)
                assert answer(firm, 150, 99) == ("0", "0.9000")
                changed = {k: v for k, v in new.items() if k not in ("t59", "t126")}
                name = enter(firm, "2", None, "G", t41=order, **changed | moved | price)
                assert answer(firm, 150, 11, 99) == ("5", name, "0.8000")
            enter(other, "1", t40="2", t44=trade)
            enter(other, "2", t40="2", t44=trade)
            assert len(fields_of(other, 4, 150)) == 4
        enter(other, "1", t40="2", t44="0.80")
        enter(other, "2", t40="2", t44="0.80")
        assert answer(firm, 150, 11) == ("L", name)


def test_a_trailing_distance_and_an_offset_are_replaced(venue):
    with venue.fix("FIRM") as firm:
        trailing = {"t40": "P", "t18": "a", "t44": "0.05", "t211": "0.05"}
        first = enter(firm, "2", **trailing)
        assert answer(firm, 150) == ("0",)
        enter(firm, "2", None, "G", t41=first, **trailing | {"t211": "0.06"})
        assert answer(firm, 150, 41) == ("5", first)
        pegged = {"t40": "P", "t18": "R", "t44": "1.05", "t211": "-0.01"}
        first = enter(firm, "1", **pegged)
        assert answer(firm, 150) == ("0",)
        enter(firm, "1", None, "G", t41=first, **pegged | {"t211": "0"})
        assert answer(firm, 150, 41) == ("5", first)


@pytest.mark.parametrize(
    ("trigger", "why"),
    [("300000", "Price (44), StopPx (99)"), ("0.90001", "Price (44), StopPx (99)")],
)
def test_a_trigger_that_no_replace_can_name_is_refused_and_the_stop_stays(venue, trigger, why):
    with venue.fix("FIRM") as firm:
        order = stop(firm)
        assert answer(firm, 150) == ("0",)
        enter(firm, "2", None, "G", t40="3", t41=order, t99=trigger)
        kind, status, text = answer(firm, 35, 39, 58)
        assert (kind, status) == ("9", "0")
        assert text.startswith(why)
        enter(firm, "2", None, "F", t41=order)
        assert answer(firm, 150) == ("4",)
