"""What may go wrong on a simulated machine, by itself and at random."""

from openoutcry.ptp.simulate import World

KINDS = {
    "hardware": {"phc": True, "linuxptp": False},
    "software": {"phc": False, "linuxptp": True},
    "chrony": {"phc": False, "linuxptp": False},
}
"""The sources of a machine: a hardware clock, ptp4l with software time stamps, chrony alone."""


def change(simulation, **values):
    """A fault: the world is another from now on."""

    def fault():
        for name, value in values.items():
            setattr(simulation.world, name, value)

    return fault


def random_faults(simulation, seconds, dice):
    """Everything that can go wrong, at any time, each for a while.  The grandmaster's lies are of
    those that can be seen: steps and noise; a small constant one nobody can tell."""
    world = World()
    kinds = (
        {"gm_silent": True},
        {"phc_silent": True},
        {"chrony_silent": True},
        {"gm_jitter_ns": 5_000.0},
        {"jitter_ns": 3_000.0},
        {"asymmetry_ns": 3_500},
        {"path_ns": 20_000, "asymmetry_ns": 30_000},
        {"gm_bias_ns": 2_000_000},
        {"gm_bias_ns": -40_000},
        {"system_slew_ppb": 400_000.0},
        {"system_offset_ns": 500_000_000},
        {"walk_ppb": 2.0},
    )
    faults, at = {}, 300.0
    while at < seconds:
        kind = dice.choice(kinds)
        faults[at] = change(simulation, **kind)
        at += dice.choice((3, 20, 120, 600))
        faults[at] = change(simulation, **{name: getattr(world, name) for name in kind})
        at += dice.choice((20, 120, 900))
        if dice.random() < 0.03:
            faults[at] = lambda: simulation.machine.suspend(dice.randrange(10**9, 10**13))
            at += 200
        if dice.random() < 0.03:
            faults[at] = lambda: simulation.machine.migrate(dice.randrange(-(10**10), 10**12))
            at += 200
    return faults
