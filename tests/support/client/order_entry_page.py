"""What the tests of order entry page in several tiers share."""

import re

from tests import ROOT

PAGE = ROOT / "docs" / "order-entry.md"
EXAMPLES = re.findall(r"```ouch (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
PROMPTS = re.findall(r"```prompt (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
