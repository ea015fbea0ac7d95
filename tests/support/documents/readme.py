"""What the tests of readme in several tiers share."""

from tests.support.user_commands import ROOT

README = ROOT / "README.md"
