"""What the tests of matcher object in several tiers share."""

from tests import ROOT

MATCHER = ROOT / "matcher"
