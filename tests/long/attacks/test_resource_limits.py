"""With too few descriptors, too little memory or too small files a run ends in words and leaves
nothing behind; with enough of them it is done."""

from pathlib import Path

import pytest

from tests.support.adversary.resource_limits import FILES, MEMORY, SIZE, ends


@pytest.mark.promise(
    "A limit of descriptors, file sizes or memory is told in words, and nothing half made is left",
    group="disasters",
)
@pytest.mark.long
@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_every_limit_is_told_in_words(topology: str, tmp_path: Path) -> None:
    """Below 500 MB the libraries cannot be loaded, which they say themselves."""
    limits = [(FILES, most) for most in range(6, 26)]
    limits += [(SIZE, most) for most in (1, 100_000, 3_000_000, 1 << 40)]
    limits += [(MEMORY, mib << 20) for mib in (500, 550, 600, 650, 700, 750, 1 << 20)]
    assert {ends(tmp_path, topology, what, most) for what, most in limits} == {0, 1}
