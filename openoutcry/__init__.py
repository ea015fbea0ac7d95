"""Open Outcry: a low-latency exchange pipeline for one Linux host.

Each room of the project is a subpackage here: ``import openoutcry.matcher``.  In the source tree
six of them are links to folders at the top.  ARCHITECTURE.md shows the way of the data.
"""

from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).absolute().parent
"""The folder that has every room in it, as modules are loaded from it: links are not followed."""
