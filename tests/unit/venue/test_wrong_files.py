"""Files with any value replaced by one of another kind or size: each fault is an error in words."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.settings import read_custody_file
from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import read_venue
from openoutcry.wire.errors import OutcryError
from tests.support.custody.chains import TEXT
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.spot_floor import FLOOR

VALUE = re.compile(r"^([a-z_]+ = )(?!.*\[$).*$", re.MULTILINE)
FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "spot": (FLOOR, read_venue),
    "contracts": (CONTRACT_VENUE, read_venue),
    "example": (EXAMPLE.read_text(), read_venue),
    "custody": (
        TEXT.format(url="http://127.0.0.1:1", hot="h", cold="c", final=6, wait=0),
        read_custody_file,
    ),
}


@pytest.mark.parametrize("value", ["{a = 1}", "[[1]]", "9223372036854775807", "nan"])
@pytest.mark.parametrize("name", FILES)
def test_a_value_of_another_kind_is_named(tmp_path: Path, name: str, value: str) -> None:
    text, read = FILES[name]
    path, refused = tmp_path / "file.toml", 0
    found = list(VALUE.finditer(text))
    for one in found:
        path.write_text(text[: one.start()] + one[1] + value + text[one.end() :])
        path.chmod(0o600)
        try:
            read(path)
        except OutcryError:
            refused += 1
    assert refused > len(found) // 2 > 5
