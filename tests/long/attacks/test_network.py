"""Attacks by datagrams: what was executed once is never executed again, and nobody on a network is
the exchange operator, silences another, or makes the receiver forget."""

from pathlib import Path

import pytest

from tests.support.adversary import network as shared
from tests.support.adversary.network import check_once, lives

_compiled = shared._compiled


@pytest.mark.long
@pytest.mark.parametrize("seed", range(25))
def test_a_datagram_is_executed_once_at_many_moments(seed: int, tmp_path: Path) -> None:
    check_once(tmp_path, lives(tmp_path, seed, deaths=4), seed)
