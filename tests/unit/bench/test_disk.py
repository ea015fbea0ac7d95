"""The bare disk, beside which durable latencies stand."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench.disk import bare_ns, bare_writes, group_commit_ns


def test_orders_wait_for_the_end_of_the_first_write_that_began_after_them() -> None:
    """Three writes of 100, 700 and 100 ns, orders each 100 ns: what comes with a write is in it,
    and the long one is waited for by seven orders, though it is one write of three."""
    writes = np.array([(0, 100), (100, 800), (800, 900)])
    waited = [100, 700, *range(700, 100, -100)]
    assert group_commit_ns(writes, 100).tolist() == waited


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 900)), min_size=2, max_size=30),
    st.integers(1, 300),
)
def test_it_is_what_a_queue_in_front_of_one_writer_makes(
    gaps: list[tuple[int, int]], every_ns: int
) -> None:
    """The reference keeps a queue and takes all of it with each write."""
    writes, at = [], 0
    for pause, took in gaps:
        writes.append((at + pause, at + pause + took))
        at = writes[-1][1]
    begin = writes[0][0]
    coming = list(range(begin, writes[-1][0], every_ns))
    expected = []
    for began, ended in writes:
        while coming and coming[0] <= began:
            expected.append(ended - coming.pop(0))
    assert group_commit_ns(np.array(writes), every_ns).tolist() == expected


def test_bare_writes_follow_each_other_and_leave_no_file(tmp_path: Path) -> None:
    """As long as is asked, one after the other; the counted ones are as many as asked."""
    writes: npt.NDArray[np.int64] = bare_writes(tmp_path / "bare", 64, 0.02)
    assert (writes[:, 1] > writes[:, 0]).all()
    assert (writes[1:, 0] >= writes[:-1, 1]).all()
    until_ns = writes[:, 1] - writes[0, 0]
    assert until_ns[-1] > 20_000_000
    assert (until_ns[:-1] <= 20_000_000).all(), "of a slow disk the first write may be the last"
    assert bare_ns(tmp_path / "bare", 64, 7).shape == (7,)
    assert not list(tmp_path.iterdir())
