"""Orders for the router, to begin with: one for each style and algorithm that whole numbers say."""

from collections.abc import Mapping

from openoutcry.backtest.routed import RoutedStrategy, Trader

COMMON = {"side": 1, "quantity": 1, "limit": 0, "begin_ns": 0, "every_ns": 0}
"""``side``: 1 buys, -1 sells.  ``limit`` 0: any price, if nothing rests.  The first order comes
``begin_ns`` after the beginning, and another one every ``every_ns``, if that is not 0."""


def order(
    name: str, style: str, algorithm: str = "", parameters: Mapping[str, int] | None = None
) -> RoutedStrategy:
    """Orders of a style; the parameters beyond the common ones are the algorithm's."""
    own = dict(parameters or {})

    def on_step(trader: Trader) -> int | None:
        given = trader.parameters
        if not trader.state:
            trader.state["begun"] = True
            if given["begin_ns"]:
                return trader.now_ns + given["begin_ns"]
        more = {key: given[key] for key in own}
        post_ns = more.pop("post_ns", 0)
        terms = {"name": algorithm, **more} if algorithm else {}
        trader.submit(
            given["side"],
            given["quantity"],
            given["limit"],
            style=style,
            post_ns=post_ns,
            algorithm=terms,
        )
        return trader.now_ns + given["every_ns"] if given["every_ns"] else None

    return RoutedStrategy(name, COMMON | own, on_step)


MINUTE_NS = 60_000_000_000
take = order("take", "take")
post = order("post", "post", parameters={"post_ns": 5_000_000_000})
rest = order("rest", "rest")
twap = order("twap", "take", "twap", {"span_ns": MINUTE_NS, "slices": 10})
arrival = order("arrival", "take", "arrival", {"span_ns": MINUTE_NS, "half_ns": MINUTE_NS // 6})
pov = order("pov", "take", "pov", {"rate_ppm": 100_000})
iceberg = order("iceberg", "rest", "iceberg", {"shown": 1})
peg = order("peg", "rest", "peg", {"offset": 0})
