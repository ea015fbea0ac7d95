"""A journal and its trail that nobody writes to, and the real command."""

import audit_journals as journals
import pytest
from outcry_command import nothing_left_behind, outcry, outcry_json

from openoutcry.surveillance.audit.build import build

__all__ = ["nothing_left_behind", "outcry", "outcry_json"]


@pytest.fixture(scope="session")
def audited(tmp_path_factory):
    """A journal of three days, and its trail."""
    home = tmp_path_factory.mktemp("audited") / "day"
    journals.write(home, journals.orders())
    build(home, part_commands=journals.PART)
    return home
