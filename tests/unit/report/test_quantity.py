"""report/quantity.py: figures as people say them, the same everywhere."""

import pytest

from openoutcry.report.quantity import duration


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "unknown"),
        (0, "0 ns"),
        (1, "1 ns"),
        (999, "999 ns"),
        (-1_500, "-1.50 µs"),
        (1_240, "1.24 µs"),
        (12_340, "12.3 µs"),
        (999_400, "999 µs"),
        (999_990, "1.00 ms"),
        (1_000_000, "1 ms"),
        (-86_200_000, "-86.2 ms"),
        (10_004_000_000, "10.0 s"),
    ],
)
def test_a_duration_has_three_digits_and_the_unit_that_fits(ns, text):
    """At the borders between units too, on both sides of zero."""
    assert duration(ns) == text
