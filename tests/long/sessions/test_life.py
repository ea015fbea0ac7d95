"""A venue that is carried over many times while it trades, and killed at any moment of it."""

import pytest

from openoutcry.report.evidence import write_evidence
from tests.long.sessions.life import live

CARRIES, SEED = 60, 1


@pytest.mark.long
@pytest.mark.promise(
    "no order is lost or done twice while a venue continues in new journals", group="sessions"
)
def test_orders_over_many_journals() -> None:
    found = live(CARRIES, SEED)
    assert found["parts"] > CARRIES // 2
    command = "make test-long ARGS=tests/long/sessions/test_life.py"
    write_evidence("life", found | {"seed": SEED}, command)
