"""What the tests of supply chain in several tiers share."""

import re

from packaging.requirements import Requirement

from tests.support.user_commands import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
SERVICES = (ROOT / "requirements-services.lock").read_text()
"""The lock of portal, custody and venue."""
ENTRY = re.compile(r"^(\S+==[^\\\n]+?) *\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def locked(text: str = LOCK) -> list[Requirement]:
    return [Requirement(entry) for entry, _ in ENTRY.findall(text)]


def for_this_python(text: str = LOCK) -> list[Requirement]:
    return [one for one in locked(text) if one.marker is None or one.marker.evaluate()]
