"""What the tests of shim docs in several tiers share."""

from tests import ROOT

PAGE = (ROOT / "docs" / "shim.md").read_text()
