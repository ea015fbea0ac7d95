"""The kernels find what the plain reference finds, hit by hit, however the commands are parted."""

import pytest

from tests.support.surveillance.detectors import compare


@pytest.mark.long
def test_the_kernels_find_what_the_reference_finds_at_length() -> None:
    for seed in range(60):
        compare(seed, 1_500)
