"""Energy that the processor's packages took, as Linux counts it (RAPL, /sys/class/powercap).

Documentation/power/powercap in the kernel's sources: a zone's ``energy_uj`` counts microjoules up
to its ``max_energy_range_uj`` and begins again.  A package is all of its cores and what else is on
it: whatever runs there counts.
"""

from pathlib import Path

from openoutcry.wire.errors import OutcryError

POWERCAP = Path("/sys/class/powercap")


class NoEnergyCounter(OutcryError):
    """RAPL is missing here, or not accessible to us."""


class EnergyMeter:
    """Energy meter of all processor packages. Raises :class:`NoEnergyCounter` that names what is
    missing."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        zones = sorted(powercap.glob("*rapl:*"))
        self._packages = [zone for zone in zones if _text(zone / "name").startswith("package-")]
        if not self._packages:
            raise NoEnergyCounter(f"no RAPL here: {powercap} has no zone of a package")
        self._ranges_uj = [_count(zone / "max_energy_range_uj") for zone in self._packages]
        self._before_uj = self._read()

    def joules(self) -> float:
        """Since this was asked last, or since the meter was made.

        A counter that began again did so once: at 100 W one of 262 kJ lasts 43 minutes."""
        before, self._before_uj = self._before_uj, self._read()
        rows = zip(before, self._before_uj, self._ranges_uj, strict=True)
        took = [now - then if now >= then else now - then + span for then, now, span in rows]
        return sum(took) / 1e6

    def _read(self) -> list[int]:
        return [_count(zone / "energy_uj") for zone in self._packages]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise NoEnergyCounter(f"no access to RAPL: {path}: {error.strerror}") from None


def _count(path: Path) -> int:
    text = _text(path)
    if not text.isdigit():
        raise NoEnergyCounter(f"{path}: {text!r} is not a number of microjoules")
    return int(text)
