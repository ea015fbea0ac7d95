"""What being watched costs a venue, and how long the red button takes.

The figures ``throughput_watched`` and ``p99_watched`` are of a venue with 20 viewers of its page
and a reader of its metrics, each once a second. The first is its orders a second over OUCH, as fast
as it takes them. The second is the wire -> acknowledgement p99 at a paced rate. Both are compared
with the same venue while the viewers and the reader are stopped (``unwatched``; ``watched.py``).

``button_to_last_cancel`` is from the kill's commands on the operator's lane to the release of the
last of 100,000 cancels, each durable. The console's page in Chromium is ``first_paint``
(``first_paint.py``), on a machine with Chromium.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

from openoutcry.bench.first_paint import Page, missing, page_of_a_venue
from openoutcry.bench.kill import kill_ns
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.watched import (
    ORDERS_EACH,
    PAIRS,
    QUICK_ORDERS_EACH,
    QUICK_SECONDS,
    RATE,
    SECONDS,
    VIEWERS,
    Watched,
    watched_venue,
)
from openoutcry.wire.extras import require_console

PAINTS = 5


def bench_operations(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    require_console()
    gathered = Rounds(rounds, progress)
    unpainted = missing()
    if unpainted:
        progress(f"first_paint is not measured: {unpainted}")

    def one_round(number: int, add: Add) -> None:
        with watched_venue() as venue:
            _in_turns(venue, number, quick, add)
        add("button_to_last_cancel", "ns", "lower", float(kill_ns(True, quick)))
        if not unpainted:
            with page_of_a_venue() as page:
                add("first_paint", "ns", "lower", _paint(page))

    gathered.run(one_round)
    return gathered.document(
        "operations", command, {"viewers": VIEWERS, "orders_per_s_paced": RATE}
    )


def _in_turns(venue: Watched, number: int, quick: bool, add: Add) -> None:
    """PAIRS of stretches; a round's figure is the median of each side's, so that one that somebody
    else disturbed does not count."""
    fast: dict[str, list[float]] = {"ours": [], "unwatched": []}
    late: dict[str, list[float]] = {"ours": [], "unwatched": []}
    seconds, each = (QUICK_SECONDS, QUICK_ORDERS_EACH) if quick else (SECONDS, ORDERS_EACH)
    venue.p99_ns(QUICK_SECONDS)  # the first ones touch fresh memory
    for pair in range(PAIRS):
        for who in rotated(("ours", "unwatched"), number + pair):
            venue.watch(who == "ours")
            late[who].append(venue.p99_ns(seconds))
            fast[who].append(venue.orders_per_s(each))
    for who in ("ours", "unwatched"):
        add("throughput_watched", "1/s", "higher", median(fast[who]), who)
        add("p99_watched", "ns", "lower", median(late[who]), who)


def _paint(page: Page) -> float:
    """The median of some loads, after one that starts the browser's processes."""
    page.first_paint_ns()
    return median(page.first_paint_ns() for _ in range(PAINTS))
