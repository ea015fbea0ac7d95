"""bench/compare.py: differences are called when they are there, and not when they are not."""

import numpy as np

from openoutcry.bench.compare import (
    CANNOT_TELL,
    compare,
)
from tests.support.bench.compare import RANDOM_SEED, document_of, noisy


def test_many_figures_together_are_held_to_the_same_error():
    """40 figures without a difference, 30 times: any of them is called at most once."""
    random = np.random.default_rng(RANDOM_SEED)
    calls = 0
    for _ in range(30):
        pair = [
            document_of(*[(f"f{i}", "lower", noisy(random, 100.0)) for i in range(40)])
            for _ in "ab"
        ]
        calls += any(one.verdict != CANNOT_TELL for one in compare(*pair))
    assert calls <= 1
