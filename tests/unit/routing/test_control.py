"""An order is paused, amended and ended from another process, by its own user."""

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.routing.control import MAX_LINKS, Control, _path, ask
from openoutcry.routing.instruments import BUY, RoutingError
from openoutcry.wire.unix_socket import short_name
from tests.support.waiting import wait_until
from tests.unit.routing.test_connectors import FILE
from tests.unit.routing.test_parents import Floor, venues


@pytest.fixture
def floor(tmp_path):
    """A parent that rests, in the file that ``routes.toml`` names."""
    (tmp_path / "routes.toml").write_text(FILE)
    one = Floor(tmp_path / "orders.sqlite", venues())
    for model in one.models:
        model.levels[-BUY] = {}
    one.buy(100, 1_000_000, style="rest")
    one.step(2)
    return one


def answered(floor, control, call):
    """What a call in another thread gets while the router steps."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call)

        def is_done():
            control.serve(floor.router)
            floor.step()
            return answer.done()

        wait_until(is_done)
    return answer.result()


def outcry(folder, *words):
    return CliRunner().invoke(main, ["route", "change", str(folder / "routes.toml"), "1", *words])


def test_an_order_is_paused_amended_and_ended(floor, tmp_path):
    (parent,) = floor.store.parents.values()
    store = tmp_path / "orders.sqlite"
    with Control(store) as control:
        mode = (tmp_path / "orders.sqlite.control").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        said = answered(floor, control, lambda: outcry(tmp_path, "--state", "paused"))
        assert said.output == "order 1: paused, 0.00 of 1.00 filled, limit 100.0000\n"
        floor.step(5)
        assert (parent.state, parent.leaves) == ("paused", 0)
        words = ("--state", "active", "--quantity", "0.40", "--limit", "99.90", "--json")
        said = answered(floor, control, lambda: outcry(tmp_path, *words))
        assert json.loads(said.output) == {
            "parent": 1,
            "state": "active",
            "quantity": "0.40",
            "limit": "99.9000",
            "filled": "0.00",
        }
        floor.step(2)
        assert [(c.order.quantity, c.order.price) for c in parent.children] == [
            (100, 1_000_000),
            (40, 999_000),
        ]
        answered(floor, control, lambda: ask(store, parent=1, state="ended"))
        floor.run()
        with pytest.raises(RoutingError, match="order 1 does not run here"):
            answered(floor, control, lambda: ask(store, parent=1, state="active"))
    assert parent.state == "ended"
    assert not (tmp_path / "orders.sqlite.control").exists()


def test_a_request_that_is_never_whole_delays_neither_the_router_nor_another(floor, tmp_path):
    store, hanging = tmp_path / "orders.sqlite", []
    with Control(store) as control, ExitStack() as stack:
        for _ in range(3 * MAX_LINKS):
            link = stack.enter_context(socket.socket(socket.AF_UNIX))
            with short_name(_path(store)) as name:
                link.connect(name)
            link.sendall(b'{"parent": 1')
            hanging.append(link)
            control.serve(floor.router)
            floor.step()
        assert len(control._links) == MAX_LINKS
        said = answered(floor, control, lambda: ask(store, parent=1, state="paused"))
        assert said["state"] == "paused"
        hanging[-1].sendall(b', "state": "active"}\n')
        control.serve(floor.router)
        assert json.loads(hanging[-1].recv(1_000))["state"] == "active"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"parent": 2, "state": "paused"}, "order 2 does not run here"),
        ({"parent": 1}, "a change has a state, a quantity or a limit"),
        ({"parent": 1, "quantity": "0.001"}, "GOLD/USD: quantity"),
        ({"parent": 1, "quantity": "0"}, "quantity 0 is not positive"),
        ({"parent": 1, "limit": "cheap"}, "GOLD/USD: price"),
        ({"parent": 1, "state": "gone"}, "a state is one of active, paused, ended"),
        ({"parent": [1], "state": "x" * 2_000}, "no whole line"),
    ],
)
def test_what_cannot_be_changed_is_named_and_changes_nothing(floor, tmp_path, asked, text):
    (parent,) = floor.store.parents.values()
    notes = list(parent.notes)
    with Control(tmp_path / "orders.sqlite") as control, pytest.raises(RoutingError, match=text):
        answered(floor, control, lambda: ask(tmp_path / "orders.sqlite", **asked))
    assert parent.notes == notes


def test_without_a_router_the_answer_says_so(tmp_path):
    """Also if a killed one has left its socket."""
    (tmp_path / "routes.toml").write_text(FILE)
    folder = tmp_path / ("long " * 30)
    folder.mkdir()
    store = folder / "orders.sqlite"
    for _ in range(2):
        with pytest.raises(RoutingError, match="no order runs now"):
            ask(store, parent=1, state="paused")
        control = Control(store)
        control._socket.close()
    Control(store).close()
    done = outcry(tmp_path)
    assert (done.exit_code, "give --state" in done.output) == (2, True)
