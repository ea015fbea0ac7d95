"""What the tests of clock daemon in several tiers share."""

from openoutcry.ptp.simulate import START_TAI_NS, Simulation, World


def simulate(table, seed=1, start_tai_ns=START_TAI_NS, which=None, **world):
    return Simulation(table, World(seed=seed, **world), start_tai_ns, **(which or {}))
