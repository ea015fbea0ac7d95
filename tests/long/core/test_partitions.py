"""Risk in partitions: the kernels are the plain reference, and no order is let in that a core which
sees everything would have refused."""

import pytest

from tests.support.risk.partitions import govern


@pytest.mark.long
def test_half_a_million_mixed_commands_in_partitions():
    for seed in range(50):
        govern(2 + seed % 15, 1_000 + seed, 10_000)
