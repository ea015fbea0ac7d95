"""The commands of docs/replication-protocol.md."""

from tests.support.replica.protocol_page import PAGE
from tests.support.replica.replica_planted import PLANTED
from tests.support.user_commands import ROOT


def test_the_page_says_how_many_bugs_are_planted():
    assert f"{len(PLANTED)} bugs are planted" in (ROOT / "docs" / PAGE).read_text()
