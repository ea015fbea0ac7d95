"""The table of words names the door and the member that are missing, at import or when asked."""

from enum import IntEnum

import pytest

from openoutcry.order_entry.fix import drop_copy
from openoutcry.surveillance.reports import rts9, rts24
from openoutcry.wire import words
from openoutcry.wire.enums import TIF_MASK, OrderType, TimeInForce
from openoutcry.wire.words import Table, WordError


class Fruit(IntEnum):
    APPLE = 1
    PEAR = 3


GOOD = "fruit | FIX | OUCH 4.2\nAPPLE | A | -\nPEAR | P | p"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fruit | FIX | OUCH 4.2\nAPPLE | A | -", "PEAR has no row in 'fruit': FIX, OUCH 4.2"),
        (GOOD.replace("| p", ""), "PEAR has no word for OUCH 4.2 in 'fruit'"),
        (GOOD.replace("| A |", "|  |"), "APPLE has no word for FIX in 'fruit'"),
        (GOOD + "\nPLUM | L | l", "'fruit' has rows of nothing: \\['PLUM'\\]"),
        (GOOD + "\nPEAR | L | l", "'fruit' has rows of nothing"),
    ],
)
def test_a_table_that_lacks_something_names_it(text, said):
    with pytest.raises(WordError, match=said):
        Table(Fruit, text)


def test_a_door_without_a_word_is_named():
    fruit = Table(Fruit, GOOD)
    assert fruit.say("FIX", Fruit.APPLE) == "A"
    assert fruit.offered("OUCH 4.2") == {Fruit.PEAR: "p"}
    assert fruit.codes("FIX", 5, other=ord("-")) == tuple(map(ord, "-A-P-"))
    assert fruit.numbers("FIX", 128)[ord("P")] == Fruit.PEAR
    for ask in (
        lambda: fruit.say("OUCH 4.2", Fruit.APPLE),
        lambda: fruit.column("OUCH 4.2"),
        lambda: fruit.codes("OUCH 4.2", 5),
    ):
        with pytest.raises(WordError, match=r"OUCH 4\.2 has no word for APPLE \(fruit\)"):
            ask()
    with pytest.raises(WordError, match=r"FIX has no word for 2 \(fruit\)"):
        fruit.say("FIX", 2)
    with pytest.raises(WordError, match="FIX cannot say PEAR: its codes end at 2"):
        fruit.codes("FIX", 3)


def test_a_reader_with_rules_of_its_own_reads_what_the_table_says():
    fruit = Table(Fruit, GOOD)
    fruit.require_read("OUCH 4.2", [Fruit.PEAR])
    for read in ([], [Fruit.APPLE, Fruit.PEAR]):
        with pytest.raises(WordError, match=r"OUCH 4\.2 does not read what .* of (PEAR|APPLE)"):
            fruit.require_read("OUCH 4.2", read)


def test_two_members_with_one_word_cannot_be_read():
    with pytest.raises(WordError, match="FIX says 'A' of PEAR and of another"):
        Table(Fruit, GOOD.replace("| P |", "| A |")).numbers("FIX", 128)


def test_every_form_of_an_order_is_another_message_of_fix():
    forms = list(words.ORDER_TYPES.offered("FIX D").values())
    assert len(set(forms)) == len(forms) == len(OrderType)


def test_reports_name_every_type_and_time_in_force():
    """Also of the orders of other protocols, and no number is cut off."""
    assert all(drop_copy.TYPES[kind] for kind in OrderType)
    letters = [drop_copy.TIMES[tif] for tif in TimeInForce]
    assert 0 not in letters
    assert len(set(letters)) == len(TimeInForce)
    assert len(drop_copy.TIMES) == TIF_MASK + 1
    assert set(rts24.VALIDITY) == {tif.name for tif in TimeInForce}
    assert set(rts9.COUNTS) == {"IMMEDIATE", *OrderType.__members__}
