"""Properties of the modules between a MAC that cannot wait and the parser."""

from openoutcry.gateway_fpga.formal.property import Property

CARD = (
    Property(
        "queue_never_overflows",
        "outcry_frame_fifo",
        "No word is written over one that is still to leave, however the clocks run.",
        ("written - read_known != DEPTH;", "written - read_known <= DEPTH;"),
        depth=40,
    ),
    Property(
        "queue_only_committed_leaves",
        "outcry_frame_fifo",
        "The reader never passes what was committed, nor what was let go: nothing on trial leaves.",
        ("(released != committed) ? ONE", "(released != written) ? ONE"),
        depth=20,
    ),
    Property(
        "queue_frame_is_whole",
        "outcry_frame_fifo",
        "What is committed of a frame is every word of it.",
        ("lost <= !fits && !write_last;", "lost <= 1'b0;"),
        depth=40,
    ),
    Property(
        "queue_order_kept",
        "outcry_frame_fifo",
        "The word that leaves is the last one written in its place: nothing changed or swapped.",
        ("if (write && fits) words", "if (write) words"),
        depth=40,
    ),
)
