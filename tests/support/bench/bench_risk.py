"""What the tests of bench risk in several tiers share."""

import pytest

from openoutcry.bench import risk as bench
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.risk_peer import c_runner


@pytest.fixture(scope="module")
def peer():
    try:
        return c_runner(bench.BURST, bench.AHEAD)
    except PeerMissing as error:
        pytest.skip(str(error))
