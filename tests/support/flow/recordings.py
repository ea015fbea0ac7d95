"""Recordings of real markets, which tests replay where they are: they are not ours to hand on."""

from pathlib import Path

import pytest

from tests import ROOT

DATA = ROOT.parent / "shared" / "data"


def needs(*paths: Path) -> pytest.MarkDecorator:
    """Skip where one of the recordings is missing; for all of them in the same words."""
    missing = any(not path.exists() for path in paths)
    reason = f'no recorded market data in {DATA} (docs/flow.md, "Recordings")'
    return pytest.mark.skipif(missing, reason=reason)
