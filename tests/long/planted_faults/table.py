"""The planted faults, read from faults.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

TESTS = ROOT / "tests"
TABLE = Path(__file__).with_name("faults.toml")


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong line: ``old`` is once in the package's ``file``; ``tests`` name test files."""

    name: str
    room: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]

    def broken(self, text: str) -> str:
        """The file's text with the fault; :class:`ValueError` if ``old`` is not in it once."""
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: its line is {text.count(self.old)} times in {self.file}"
            )
        return text.replace(self.old, self.new)

    def test_files(self) -> list[str]:
        """Where the tests are, as paths from the root: a name may be found more than once."""
        found = [path for name in self.tests for path in sorted(TESTS.rglob(name))]
        return [str(path.relative_to(ROOT)) for path in found]


def read_faults() -> list[Fault]:
    """All faults, in the order of the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["fault"]
    return [Fault(**{**row, "tests": tuple(row["tests"])}) for row in rows]
