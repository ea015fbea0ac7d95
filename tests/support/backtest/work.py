"""What the tests of work in several tiers share."""

from openoutcry.backtest.plan import Plan

PLAN = Plan(
    tuple(f"generated:normal:600:{seed}" for seed in range(1, 4)),
    ("maker", "taker"),
    {"qty_lots": tuple(range(1, 10))},
    ("constant:1000:1000", "drawn:1000:9000"),
    maker_fee=10,
    taker_fee=30,
)


DAYS = [f"generated:normal:1500:{seed}" for seed in range(1, 101)]
