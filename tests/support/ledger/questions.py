"""What the tests of questions in several tiers share."""

import pytest

from openoutcry.ledger.questions.sample import write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Books of our own with a fault of each kind, and what was planted."""
    folder = tmp_path_factory.mktemp("books") / "made"
    return folder, write_sample(folder, seed=3, trades=24)
