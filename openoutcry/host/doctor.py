"""``outcry doctor``: what this host does to latency, what that costs here, and what changes it.

Files under /proc and /sys are read, short loops are timed, and each finding names the command that
an administrator would type; only ``settings.py`` changes any, when asked.  A host that does not
show something is answered with "cannot see", never with a guess.
"""

from openoutcry.host import doctor_cores, doctor_devices, doctor_kernel
from openoutcry.host.findings import Finding, Host


def examine(host: Host | None = None) -> list[Finding]:
    """Every finding, in the sheet's order.  A check that fails says so in its own place."""
    here = host or Host()
    findings: list[Finding] = []
    for check in (*doctor_cores.CHECKS, *doctor_kernel.CHECKS, *doctor_devices.CHECKS):
        try:
            findings += check(here)
        except Exception as error:
            name = check.__name__.replace("_", " ")
            why = "the sheet continues without it"
            findings.append(Finding("sheet", name, "unseen", f"cannot see: {error!r}", why))
    return findings
