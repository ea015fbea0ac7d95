"""A journal with money in it, and the real command."""

import pytest

from tests.support.ledger import ledger_flow as flow
from tests.support.pipeline.outcry_command import nothing_left_behind, outcry, outcry_json

__all__ = ["nothing_left_behind", "outcry", "outcry_json"]


@pytest.fixture(scope="session")
def day(tmp_path_factory):
    """A journal of mixed orders, deposits and fees; nobody writes to it."""
    home = tmp_path_factory.mktemp("money") / "day"
    limits = [{"set": "DEPOSIT", "value": 10**6, "who": 7}]
    return flow.write_journal(home, flow.draw(flow.COMMANDS, 11), flow.config(limits=limits))
