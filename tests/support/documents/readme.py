"""What the tests of readme in several tiers share."""

from tests import ROOT

README = ROOT / "README.md"
