"""Property tests of this tier draw as many examples as the tier says."""

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import EXAMPLES

DRAWN: list[int] = []


@given(st.integers())
def draw(number: int) -> None:
    DRAWN.append(number)


def test_a_property_test_draws_its_tiers_examples() -> None:
    draw()
    assert len(DRAWN) == EXAMPLES["system"]
