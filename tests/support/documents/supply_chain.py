"""What the tests of supply chain in several tiers share."""

import re

from packaging.requirements import Requirement

from tests.support.user_commands import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(r"^(\S+==[^\\\n]+?) *\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def locked() -> list[Requirement]:
    return [Requirement(entry) for entry, _ in ENTRY.findall(LOCK)]


def for_this_python() -> list[Requirement]:
    return [one for one in locked() if one.marker is None or one.marker.evaluate()]
