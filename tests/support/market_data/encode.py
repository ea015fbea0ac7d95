"""What the tests of encode in several tiers share."""


def times_of(rx_ts_ns):
    return dict(enumerate(rx_ts_ns.tolist(), start=1))
