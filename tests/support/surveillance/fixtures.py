"""A journal and its trail that nobody writes to, and the real command."""

import pytest

from openoutcry.surveillance.audit.build import build
from tests.support.pipeline.outcry_command import nothing_left_behind, outcry, outcry_json
from tests.support.surveillance import audit_journals as journals

__all__ = ["nothing_left_behind", "outcry", "outcry_json"]


@pytest.fixture(scope="session")
def audited(tmp_path_factory):
    """A journal of three days, and its trail."""
    home = tmp_path_factory.mktemp("audited") / "day"
    journals.write(home, journals.orders())
    build(home, part_commands=journals.PART)
    return home
