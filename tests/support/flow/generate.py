"""What the tests of generate in several tiers share."""

import numpy as np
import pytest

from openoutcry.flow import FLOWS, GeneratedFlow


@pytest.fixture(scope="module")
def million() -> dict[str, tuple[GeneratedFlow, np.ndarray]]:
    """A million commands of each flow."""
    runs = {}
    for flow in FLOWS:
        source = GeneratedFlow(flow, 1_000_000, 1)
        runs[flow] = (source, np.concatenate(list(source.chunks())))
    return runs
