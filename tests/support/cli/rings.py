"""What the tests of rings in several tiers share."""

import subprocess
from collections.abc import Callable

Outcry = Callable[..., subprocess.CompletedProcess[str]]
