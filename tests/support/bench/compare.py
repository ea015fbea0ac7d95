"""What the tests of compare in several tiers share."""

import numpy as np

from openoutcry.bench.results import document, summarise

RANDOM_SEED = 7
EMPTY = document("matcher", [], [], "")


def document_of(*figures, subject="matcher", command="outcry bench matcher"):
    """A document with figures (name, better, rounds)."""
    rows = [summarise(name, "ns", better, rounds) for name, better, rounds in figures]
    own = {"subject": subject, "results": rows, "command": command, "host": dict(EMPTY["host"])}
    return EMPTY | own


def noisy(random, level, count=7):
    return (level * np.exp(random.normal(0, 0.01, count))).tolist()
