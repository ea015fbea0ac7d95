"""What the tests of segment in several tiers share."""

from collections.abc import Iterator

import pytest

from openoutcry.ring import (
    ProcessIdentity,
)
from openoutcry.ring.segment import SHM, segment_name


@pytest.fixture
def name() -> Iterator[str]:
    """A segment name of this process, removed afterwards."""
    value = segment_name(ProcessIdentity.mine(), "test")
    yield value
    (SHM / value).unlink(missing_ok=True)
