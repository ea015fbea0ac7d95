"""The reader of a card's stream, from files that behave as a driver may."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.gateway_fpga.c2h import READ_ORDERS, OrderStream, StreamError
from openoutcry.wire import ORDER_DTYPE


def orders_of(count: int, first_seq: int = 1) -> np.ndarray:
    """Consecutive orders that no two bytes of are alike by chance."""
    dice = np.random.default_rng(count)
    orders = np.frombuffer(dice.bytes(64 * count), ORDER_DTYPE).copy()
    orders["seq"] = first_seq + np.arange(count)
    return orders


def reader(data: bytes, cuts: list[int]) -> Callable[[int], bytes]:
    """Reads of these lengths, then as much as is asked for; a length of 0 is an interruption."""
    at, lengths = 0, iter(cuts)

    def read(count: int) -> bytes:
        nonlocal at
        assert 0 < count <= 64 * READ_ORDERS
        length = next(lengths, count)
        if length == 0:
            raise InterruptedError
        piece = data[at : at + min(count, length)]
        at += len(piece)
        return piece

    return read


@given(st.integers(0, 70), st.lists(st.integers(0, 300)), st.sampled_from([1, 2**32 - 3, 2**62]))
def test_every_order_comes_once_however_reads_are_cut(
    count: int, cuts: list[int], first_seq: int
) -> None:
    """In the middle of an order, of a field, or not at all; an interrupted read is repeated."""
    orders = orders_of(count, first_seq)
    stream = OrderStream(reader(orders.tobytes(), cuts), first_seq)
    came = list(stream)
    assert all(len(part) for part in came)
    assert b"".join(part.tobytes() for part in came) == orders.tobytes()
    assert stream.next_seq == first_seq + count


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda orders: np.delete(orders, 5), "sent order 7, not 6: orders are missing"),
        (lambda orders: np.insert(orders, 5, orders[4]), "sent order 5, not 6: an order came twi"),
        (lambda orders: orders[::-1], "sent order 10, not 1: orders are missing"),
    ],
)
@pytest.mark.parametrize("cuts", [[], [64 * 5], [64 * 5 + 1], [64 * 6]])
def test_a_number_that_is_not_the_next_ends_the_stream(
    change: Callable[[np.ndarray], np.ndarray], sentence: str, cuts: list[int]
) -> None:
    """The orders before it are given, none from it on."""
    changed = change(orders_of(10))
    stream = OrderStream(reader(changed.tobytes(), cuts))
    came = []
    with pytest.raises(StreamError, match=sentence):
        came.extend(stream)
    good = sum(map(len, came))
    assert [int(seq) for part in came for seq in part["seq"]] == list(range(1, good + 1))
    assert good == int(np.argmax(changed["seq"] != np.arange(1, len(changed) + 1)))


def test_an_end_within_an_order_is_an_error() -> None:
    """What is there of it is no order."""
    stream = OrderStream(reader(orders_of(3).tobytes()[:-1], []))
    with pytest.raises(StreamError, match="ended 63 bytes into order 3"):
        list(stream)


def test_a_device_file_is_opened_read_and_closed(tmp_path) -> None:
    """And one that is not there is named."""
    path = tmp_path / "xdma0_c2h_0"
    orders = orders_of(READ_ORDERS + 5)
    path.write_bytes(orders.tobytes())
    with OrderStream.open(path) as stream:
        assert sum(len(part) for part in stream) == len(orders)
    with pytest.raises(OSError, match="Bad file descriptor"):
        next(iter(stream))
    with pytest.raises(StreamError, match=r"nowhere: cannot open the card's stream: No such file"):
        OrderStream.open(tmp_path / "nowhere")
