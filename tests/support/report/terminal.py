"""What the tests of terminal in several tiers share."""

SLOW = {
    "seq": 1_234,
    "whole_ns": 90_000,
    "slowest_stage": "gate",
    "new_level": True,
    "page_faults": 2,
    "after_intended_ns": {"received": 100, "durable": 80_500},
    "spans_ns": {"receive": 100, "gateway": 100, "matcher": 200, "gate": 89_500, "replies": 100},
    "causes_ns": {"journal commit": 80_000},
    "meanwhile": [
        {
            "core": 1,
            "kind": "preempted",
            "what": "kworker",
            "after_intended_ns": 5_000,
            "length_ns": 12_000,
        },
        {
            "core": 0,
            "kind": "page fault",
            "what": "page fault",
            "after_intended_ns": 9,
            "length_ns": 0,
        },
    ],
}
