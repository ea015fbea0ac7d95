"""How signals cross between the card's clocks, in the netlist."""

from openoutcry.gateway_fpga.tools.crossings import check

QUEUE = "g_port[0].ingress.queue"


def test_every_crossing_of_the_card_is_a_synchroniser_or_the_queue() -> None:
    """The reset's question and answer, two pointers, two counts, the words themselves, and the
    ports' time; none past two flip-flops in a row, and no other."""
    report = check()
    assert report.wrong == ()
    assert report.crossings[-1] == "cycles_gray -> over.sync_first"
    assert report.crossings[:-1] == tuple(
        f"{QUEUE}.{source} -> {QUEUE}.{target}"
        for source, target in (
            ("answering.from", "answering.sync_first"),
            ("ask.from", "ask.sync_first"),
            ("bad.value_gray", "bad.over.sync_first"),
            ("no_room.value_gray", "no_room.over.sync_first"),
            ("read_gray", "read_over.sync_first"),
            ("released_gray", "released_over.sync_first"),
            ("words", "out_data"),
        )
    )
