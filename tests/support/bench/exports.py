"""What the tests of exports in several tiers share."""

import numpy as np

from openoutcry.bench.paced import Paced
from openoutcry.pipeline.recording import Recording, Step

COUNT = 1_000
FIRST_NS = 1_000_000_000
GROUPS = [
    {"process": "front", "stages": ["receive", "gateway"], "core": 0, "pid": 11},
    {"process": "back", "stages": ["matcher", "gate", "replies"], "core": 1, "pid": 12},
]

# The last command, the slowest, is under way during it.
STEPS = (Step("back", "matcher", FIRST_NS + 9_990_500, FIRST_NS + 9_999_500),)


def recorded(durability="none", steps=STEPS):
    start = FIRST_NS + 10_000 * np.arange(COUNT)
    rows = [start + (100 + np.arange(COUNT)) * place for place in range(6)]
    stamps = np.stack([*rows, np.zeros(COUNT, np.int64)], axis=1).astype(np.int64)
    recording = Recording(stamps=stamps, groups=GROUPS, steps=list(steps))
    return Paced(100_000, {"durability": durability, "topology": "processes"}, recording, 100)
