"""``outcry doctor --fix``: settings of the running kernel that end what costs latency.

Only files under /proc and /sys that hold until the next boot, and that take no core and no right
from anybody.  What needs the kernel's command line, a package or a shell stays advice.
"""

from collections.abc import Iterable
from typing import NamedTuple

from openoutcry.host.findings import Finding, Host, chosen


class Setting(NamedTuple):
    """A file to be written."""

    name: str
    """Of the finding that it ends."""
    path: str
    """Below the root, as ``proc/sys/vm/nr_hugepages``."""
    value: str
    was: str
    """What it is now."""


def command(path: str, value: str) -> str:
    """Return the shell's command that writes a value."""
    return f"echo {value} | sudo tee /{path}"


def settings_of(host: Host, findings: Iterable[Finding]) -> list[Setting]:
    """Return what ends the findings that cost latency, in the sheet's order.  A file that is not
    there is left out."""
    found = []
    for finding in findings:
        for path, value in finding.settings if finding.state == "costs" else ():
            was = chosen(host.text(path))
            if was not in (None, value):
                found.append(Setting(finding.name, path, value, was or ""))
    return found


def write(host: Host, setting: Setting) -> str:
    """Write one; return why it is not in force, or nothing."""
    try:
        (host.base / setting.path).write_text(f"{setting.value}\n")
    except OSError as error:
        return error.strerror or str(error)
    now = chosen(host.text(setting.path))
    return "" if now == setting.value else f"the kernel keeps {now}"
