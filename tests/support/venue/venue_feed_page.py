"""What the tests of venue feed page in several tiers share."""

import re

from tests import ROOT

PAGE = (ROOT / "docs" / "market-data.md").read_text()
MORE = (ROOT / "tests" / "support" / "market_data" / "programs.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE + MORE, re.DOTALL)
