"""With too few descriptors, too little memory or too small files a run ends in words and leaves
nothing behind; with enough of them it is done."""

from pathlib import Path

import pytest

from tests.support.adversary.resource_limits import FILES, SIZE, ends


@pytest.mark.promise(
    "A limit of descriptors, file sizes or memory is told in words, and nothing half made is left",
    group="disasters",
)
@pytest.mark.parametrize(
    ("what", "most", "status"), [(FILES, 6, 1), (FILES, 16, 1), (FILES, 64, 0), (SIZE, 100_000, 1)]
)
def test_a_limit_is_told_in_words(what: int, most: int, status: int, tmp_path: Path) -> None:
    assert ends(tmp_path, "processes", what, most) == status
