"""Run by the interpreter of itchcpp's own environment: see ``feed_peers.py``.

``book_itchcpp.py FILE SYMBOL...`` prints JSON: how long its C++ took to build every symbol's book
of FILE, the best of three, and each book's best prices. In FILE are ITCH 5.0 messages, each after
its length.
"""

import json
import sys
import time

PASSES = 3


def main() -> None:
    """Read the arguments, build the books, print the document."""
    from itchcpp.book import BookManager

    with open(sys.argv[1], "rb") as file:
        data = file.read()
    took = []
    for _ in range(PASSES):
        manager = BookManager()
        for symbol in sys.argv[2:]:
            manager.track_symbol(symbol)
        before = time.perf_counter_ns()
        manager.process_stream(data)
        took.append(time.perf_counter_ns() - before)
    best = {}
    for symbol in sys.argv[2:]:
        bbo = manager.book_for_symbol(symbol).bbo()
        best[symbol] = {name: getattr(bbo, name) for name in dir(bbo) if not name.startswith("_")}
    print(json.dumps({"took_ns": min(took), "best": best}))


if __name__ == "__main__":
    main()
