"""docs/surveillance.md has the parameters as they are, and every one of them."""

from openoutcry.surveillance.parameters import TABLE
from tests.support.surveillance.parameter_tables import PAGE, SHOWN, _value, filled


def test_the_page_has_the_parameters_as_they_are() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), (
        "run python -m tests.support.surveillance.parameter_tables"
    )


def test_every_parameter_is_in_the_table_once() -> None:
    shown = [name for names in SHOWN.values() for name in names]
    assert sorted(shown) == sorted(parameter.name for parameter in TABLE)


def test_times_are_shown_as_people_say_them() -> None:
    assert _value(90_000_000_000, "ns") == "90 s"
    assert _value(1_800_000_000_000, "ns") == "30 min"
    assert _value(500_000_000, "ns") == "0.5 s"
    assert _value(5_000, "messages a day") == "5,000 messages a day"
