"""``outcry rings``: what is printed, what is removed, and how it ends."""

import os

import numpy as np
import pytest

from openoutcry.cli.rings import record_fields, record_text
from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.segment import SHM, segment_name
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, EventKind, Side
from tests.support.cli.rings import Outcry


def test_a_ring_that_ends_early_is_an_error(outcry: Outcry) -> None:
    """Fewer records than asked for is not success."""
    name = segment_name(ProcessIdentity.mine(), "ended")
    with RingBuffer.create(name, 64, ORDER_DTYPE, ["a"]) as ring:
        ring.close()
        done = outcry("rings", name, "--tail", "5")
        assert done.returncode == 1
        assert f"{name} ended after 0 of 5 records" in done.stderr


def test_a_damaged_ring_is_reported_and_cannot_be_followed(outcry: Outcry) -> None:
    """The listing names the fault and succeeds; the tail is an error."""
    name = segment_name(ProcessIdentity.mine(), "damaged")
    with RingBuffer.create(name, 64, ORDER_DTYPE, ["a"]):
        os.truncate(SHM / name, 9000)
        done = outcry("rings")
        assert done.returncode == 0
        assert f"{name}: damaged: truncated: 9,000 of 12,288 bytes are left" in done.stdout
        done = outcry("rings", name, "--tail", "5")
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be followed: damaged: truncated" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["nowhere"], 1, "there is no ring 'nowhere' on this machine"),
        (["nowhere", "--tail", "3"], 1, "there is no ring 'nowhere' on this machine"),
        (["--tail", "3"], 2, "--tail needs the NAME of a ring"),
        (["x", "--clean"], 2, "--clean works on all rings"),
        (["x", "--tail", "0"], 2, "0 is not in the range"),
        (["x", "--tail", "many"], 2, "'many' is not a valid integer"),
        (["x", "y"], 2, "unexpected extra argument"),
    ],
)
def test_bad_arguments(outcry: Outcry, arguments: list[str], status: int, text: str) -> None:
    """An unknown ring is an error that names it; what makes no sense is a usage error."""
    done = outcry("rings", *arguments)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_records_become_text_and_json() -> None:
    """Enumerations by the record's own type, zeros left out, unknown bytes in hexadecimal."""
    event = np.zeros(1, EVENT_DTYPE)
    event["seq"], event["kind"], event["side"] = 7, EventKind.FILLED, Side.BUY
    event["qty_lots"], event["flags"] = 100, 3
    assert record_text(record_fields(event[0])) == (
        "           7 qty_lots=100 kind=filled side=buy flags=last|maker"
    )
    order = np.zeros(1, ORDER_DTYPE)
    order["seq"], order["kind"], order["symbol"], order["side"] = 8, 2, b"ABC", 99
    assert record_text(record_fields(order[0])) == "           8 symbol=ABC kind=cancel side=99"
    raw = np.zeros(1, [("bytes", "V4"), ("seq", "<i8")])
    raw.view(np.uint8)[:4] = [1, 2, 0xAB, 0]
    assert record_fields(raw[0]) == {"bytes": "0102ab00", "seq": 0}
