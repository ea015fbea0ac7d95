"""What the tests of deploy in several tiers share."""

import shutil

from openoutcry import PACKAGE
from openoutcry.host import build


def copy_of(folder):
    """The sources of a build, to be changed."""
    package = folder / "openoutcry"
    for room in (*build.ROOMS, "operations"):
        passed_over = shutil.ignore_patterns("__pycache__", "*.so", "board", "card")
        shutil.copytree(PACKAGE / room, package / room, ignore=passed_over)
    for path in PACKAGE.glob("*.py"):
        shutil.copy2(path, package / path.name)
    return package
