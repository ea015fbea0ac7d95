"""What the tests of order entry page in several tiers share."""

import re
from pathlib import Path

from tests import ROOT

PAGE = ROOT / "docs" / "order-entry.md"
TEXT = PAGE.read_text() + Path(__file__).with_name("order_entry_examples.md").read_text()
EXAMPLES = re.findall(r"```ouch (\S+)\n(.*?)```", TEXT, re.DOTALL)
PROMPTS = re.findall(r"```prompt (\S+)\n(.*?)```", TEXT, re.DOTALL)
