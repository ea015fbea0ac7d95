"""The kernels against the plain reference on random streams, and laws no stream may break."""

import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.oracles.matcher_compare import compare
from tests.support.matcher.matcher_mixed import mixed
from tests.support.waiting import BOUND_S


@pytest.mark.long
def test_two_million_mixed_commands_agree_with_the_reference():
    """A thousand seeds more, byte for byte."""
    for seed in range(10_000, 11_000):
        compare(mixed(seed, 2000))


def test_assertions_compiled_in_hold():
    """With OUTCRY_VERIFY=1 the kernels' own assertions are there and none fires, and after every
    single command the memory is in order."""
    code = (
        "from matcher_mixed import mixed\n"
        "from openoutcry.matcher import Engine\n"
        "from openoutcry.wire.kernel import VERIFY\n"
        "assert VERIFY\n"
        "for seed in range(40):\n"
        "    run = mixed(seed, 1500)\n"
        "    engine = Engine(run.instruments, run.order_capacity)\n"
        "    engine.process(run.orders)\n"
        "    engine.check()\n"
        "for seed in range(100, 112):\n"
        "    run = mixed(seed, 120)\n"
        "    engine = Engine(run.instruments, min(run.order_capacity, 100))\n"
        "    for order in run.orders[:, None]:\n"
        "        engine.process(order)\n"
        "        engine.check()\n"
    )
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OUTCRY_VERIFY": "1", "PYTHONPATH": path}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=BOUND_S,
    )
    assert result.returncode == 0, result.stderr
