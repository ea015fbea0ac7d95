"""What the tests of fix acceptance in several tiers share."""

import pytest

from tests.oracles.fix_acceptor import Server, conformance_acceptor
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry import fix_scripts

SLOW = ("4a_NoDataSentDuringHeartBtInt.def", "6_SendTestRequest.def")
"""They wait for heartbeats, 12 and 34 seconds."""


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary()


def run_over_tcp(path, dictionary, slower=1):
    with Server(conformance_acceptor(dictionary), slower) as server:
        fix_scripts.run(path, fix_scripts.Tcp(server.port))
