"""What the tests of model in several tiers share."""

import re

from tests import ROOT

PAGE = (ROOT / "docs" / "ring.md").read_text()
MORE = (ROOT / "tests" / "support" / "ring" / "examples.md").read_text()
EXPLORED = (ROOT / "tests" / "oracles" / "ring_model" / "explored.md").read_text()


# The page


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE + MORE, re.DOTALL)
