"""QuickFIX's acceptance scripts for a FIX 4.4 acceptor pass over real sockets against a real
acceptor.  What needs no sockets is in tests/unit/order_entry."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.oracles.fix_acceptor import Server, conformance_acceptor
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry import fix_scripts
from tests.support.order_entry.fix_scripts import SLOW

pytest.importorskip(
    "quickfix", reason="PyPI's quickfix, which has the FIX 4.4 data dictionary, could not be built"
)


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary()


def run_over_tcp(path, dictionary, slower=1):
    with Server(conformance_acceptor(dictionary), slower) as server:
        fix_scripts.run(path, fix_scripts.Tcp(server.port))


def test_scripts_pass_over_sockets(dictionary):
    """Each against an acceptor of its own that listens on a loopback port, and whose timers are
    slow, so that no heartbeat comes between where the machine is busy."""
    paths = [path for path in fix_scripts.SCRIPTS if path.name not in SLOW]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: run_over_tcp(path, dictionary, 8), paths)) == [None] * 57


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_scripts_that_wait_pass_over_sockets(name, dictionary):
    run_over_tcp(fix_scripts.HERE / "fix44" / name, dictionary)
