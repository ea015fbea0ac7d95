"""What the tests of journal places in several tiers share."""

import subprocess
from pathlib import Path

from tests.support.pipeline import warm_outcry


def outcry(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return warm_outcry.run(arguments, cwd)
