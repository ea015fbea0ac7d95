"""How fast a long journal's trail is made and asked: run by hand, its figures kept as evidence."""

import pytest

from openoutcry.bench.order_life import measure


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "commands"),
    [("audit", 10_000_000), ("audit_hundred_million", 100_000_000)],
    ids=["ten", "hundred"],
)
def test_a_long_days_trail_is_asked(tmp_path, name, commands):
    from openoutcry.report.evidence import write_evidence

    report = measure(tmp_path, commands)
    life, cold = report["order_life_ms"], report["order_life_cold_ms"]
    hours = report["participant_hour_s"]
    busiest, middle, _ = hours.values()
    busiest_cpu, _, _ = report["participant_hour_cpu_s"].values()
    figures = {
        "commands": commands,
        "rows": report["rows"],
        "parts": report["parts"],
        "bytes": report["bytes"],
        "build_s": report["build_s"],
        "verify_s": report["verify_s"],
        "orders": life["count"],
        "order_life_p50_ms": life["p50"],
        "order_life_p99_ms": life["p99"],
        "order_life_cpu_p99_ms": report["order_life_cpu_ms"]["p99"],
        "order_life_cold_p50_ms": cold["p50"],
        "order_life_cold_max_ms": cold["max"],
        "busiest_hour_p50_s": busiest["p50"],
        "busiest_hour_max_s": busiest["max"],
        "middle_hour_p50_s": middle["p50"],
        "middle_hour_max_s": middle["max"],
        "seed": 7,
        "busiest_hour_cpu_max_s": busiest_cpu["max"],
        "build_cpu_s": report["build_cpu_s"],
        "load": report["load"],
    }
    number = "ten" if commands == 10_000_000 else "hundred"
    command = f"make test-long ARGS='tests/long/surveillance/test_audit_long.py -k {number}'"
    write_evidence(name, figures, command)
