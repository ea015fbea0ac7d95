"""A running venue's metrics: what they say is what the journal holds, as Prometheus reads it."""

import json
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.operations.metrics import EDGES_S, THRESHOLDS_NS, classic_buckets
from openoutcry.operations.native import SCHEMA, native
from openoutcry.operations.scrape import wants_protobuf
from openoutcry.runtime.histogram import WORDS, bucket_of, bucket_upper_ns, record


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 1000)), max_size=30))
def test_buckets_count_what_a_loop_over_the_values_counts(values):
    """Each edge is one of the histogram's own, so that no value is counted on the wrong side."""
    words = np.zeros(WORDS, np.int64)
    for value_ns, times in values:
        record(words.ctypes.data, value_ns, times)
    buckets, total_s = classic_buckets(words)
    for edge, count in buckets:
        assert count == sum(times for value, times in values if value * 1e-9 <= float(edge) + 1e-13)
    exact_s = sum(value * times for value, times in values) * 1e-9
    assert exact_s <= total_s + 1e-9
    assert total_s <= exact_s * (1 + 1 / 64) + 1e-9


def test_a_bucket_ends_just_below_each_threshold():
    for limit_ns in THRESHOLDS_NS:
        nearest = max(edge for edge in EDGES_S if edge < limit_ns * 1e-9)
        assert limit_ns * 1e-9 - nearest <= limit_ns * 1e-9 / 50
    assert sorted(EDGES_S) == EDGES_S
    assert bucket_upper_ns(0) == 0


def test_what_reconciliation_has_found_is_reported(tmp_path):
    """An alarm's gauge is 1 from the difference on; of a journal that nobody compared, nothing."""
    from openoutcry.operations.metrics import Families, _ledger

    def ledger_gauges():
        out = Families()
        _ledger(out, tmp_path, "TEST")
        return {name: family.samples[0].value for name, family in out.families.items()}

    assert ledger_gauges() == {}
    (tmp_path / "ledger").mkdir()
    path = tmp_path / "ledger" / "reconciled.json"
    looked = {"seq": 50, "looked_s": time.time() - 4_000, "difference": None}
    path.write_text(json.dumps(looked))
    gauges = ledger_gauges()
    assert gauges["outcry_ledger_discrepancy"] == 0
    assert gauges["outcry_ledger_reconciled_age_seconds"] > 3_600
    path.write_text(json.dumps(looked | {"difference": {"seq": 41, "event_seq": 60, "what": "x"}}))
    gauges = ledger_gauges()
    assert gauges["outcry_ledger_discrepancy"] == 1
    assert gauges["outcry_ledger_discrepancy_sequence"] == 41
    path.write_text("{")
    assert ledger_gauges() == {}


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 1000)), max_size=30))
def test_a_native_histogram_counts_what_a_loop_over_the_values_counts(values):
    """Spans and deltas taken apart again: each value is in the bucket in which the upper edge of
    ours falls."""
    words = np.zeros(WORDS, np.int64)
    for value_ns, times in values:
        record(words.ctypes.data, value_ns, times)
    histogram = native(words)
    counts, index, count, deltas = {}, 0, 0, iter(histogram.pos_deltas)
    for span in histogram.pos_spans:
        index += span.offset
        for _ in range(span.length):
            count += next(deltas)
            counts[index], index = count, index + 1
    base, wanted, zero = 2 ** (2**-SCHEMA), {}, 0
    for value_ns, times in values:
        upper_s = bucket_upper_ns(int(bucket_of(value_ns))) * 1e-9
        if upper_s == 0:
            zero += times
            continue
        at = next(k for k in range(-500, 500) if upper_s <= base**k * (1 + 1e-9))
        wanted[at] = wanted.get(at, 0) + times
    assert counts == wanted
    assert (histogram.zero_count, histogram.count_value) == (zero, zero + sum(wanted.values()))
    assert list(deltas) == []


def test_who_asks_for_protobuf_first_gets_it():
    """The headers of Prometheus 2.42, with native histograms and without."""
    text = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
    text += "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    assert wants_protobuf(f"{proto}encoding=delimited,{text}")
    assert not wants_protobuf(text)
    assert not wants_protobuf(f"{proto}encoding=delimited;q=0.3,{text}")
    assert not wants_protobuf("")


def test_states_of_instruments_are_reported_but_not_those_of_a_series():
    """One gauge for each that does not trade as its phase says."""
    from openoutcry.operations.metrics import Families, _status

    states = {"GOLD": "suspended", "TIN": "announced", "C1": "announced", "C2": "delisted"}
    out = Families()
    _status(out, {"risk": {"states": states, "contracts": {"C1": {}, "C2": {}}}}, "TEST")
    labels = [one.labels for one in out.families["outcry_instrument_state"].samples]
    found = [(label["symbol"], label["state"]) for label in labels]
    assert found == [("C2", "delisted"), ("GOLD", "suspended"), ("TIN", "announced")]
