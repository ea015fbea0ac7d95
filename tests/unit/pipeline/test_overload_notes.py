"""What is said of an overload while it lasts."""

from types import SimpleNamespace

from openoutcry.pipeline.progress import Drops


def test_a_refused_flood_does_not_hide_that_others_are_dropped():
    """Refusals are told at the first look, drops at the next although refusals go on; neither is
    told again at once, and both counts stand in shared memory for `outcry top`."""
    network = SimpleNamespace(refused=0, dropped=0)
    network.system_drops = lambda: network.dropped
    control = SimpleNamespace(block=SimpleNamespace())
    work = SimpleNamespace(ports=network, shared=SimpleNamespace(control=control))
    drops, notes = Drops(), []
    for network.refused, network.dropped in ((5, 0), (6, 0), (7, 3), (8, 4), (9, 5)):
        drops.next_look_s = 0.0
        drops.poll(work, notes.append)
    assert notes == [
        "orders above their participants' rate limits are rejected (5 so far)",
        "overload: the system drops datagrams that arrive faster than they are read (3 so far)",
    ]
    assert (control.block.dropped, control.block.refused) == (5, 9)
