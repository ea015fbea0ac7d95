"""Open Outcry: a low-latency exchange pipeline for one Linux host.

Each room of the project is a folder at the top of the source tree and a subpackage here:
``import openoutcry.matcher``.  ARCHITECTURE.md shows the way of the data through them.
"""

__version__ = "0.1.0"
