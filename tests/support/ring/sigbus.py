"""What the tests of sigbus in several tiers share."""

from collections.abc import Iterator

import pytest

from openoutcry.ring import ProcessIdentity, sigbus
from openoutcry.ring.segment import SHM, segment_name

PAGE = sigbus.PAGE_BYTES


@pytest.fixture
def name() -> Iterator[str]:
    """A segment name of this process, removed afterwards."""
    value = segment_name(ProcessIdentity.mine(), "bus")
    yield value
    (SHM / value).unlink(missing_ok=True)
