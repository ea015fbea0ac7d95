"""Native histograms of Prometheus, and the form in which it scrapes them.

A native histogram has a bucket for each power of 2**(2**-SCHEMA), and only those that hold
something are sent (https://prometheus.io/docs/specs/native_histograms/).

Prometheus takes them by protobuf, which the client library does not write.  They are messages
io.prometheus.client.MetricFamily (https://github.com/prometheus/client_model, metrics.proto), each
after its length.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from openoutcry.runtime.histogram import WORDS, bucket_upper_ns

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.samples import NativeHistogram

SCHEMA = 4
"""A bucket is 4.4 % wide; ours are 1.6 %, each counted where its upper edge falls."""
CONTENT_TYPE = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
UPPER_NS = np.array([bucket_upper_ns(index) for index in range(WORDS - 1)], np.float64)
with np.errstate(divide="ignore"):
    _LOG2 = np.log2(UPPER_NS * 1e-9)
INDEX = np.where(UPPER_NS > 0, np.ceil(_LOG2 * (1 << SCHEMA) - 1e-9), -(10**6)).astype(np.int64)
"""Index of the native bucket in which one of our buckets ends: (base**(index - 1), base**index]."""
COUNTER, GAUGE, HISTOGRAM = 0, 1, 4


def native(words: npt.NDArray[np.int64]) -> "NativeHistogram":
    """A run's histogram (int64[4096], ns) as a native one in seconds."""
    from prometheus_client.samples import BucketSpan, NativeHistogram

    counts = words[:-1].copy()  # a running stage counts on
    used = np.flatnonzero(counts)
    zero = int(counts[0])
    buckets: dict[int, int] = {}
    for at in used[used > 0].tolist():
        index = int(INDEX[at])
        buckets[index] = buckets.get(index, 0) + int(counts[at])
    spans: list[BucketSpan] = []
    deltas, before, count_before = [], None, 0
    for index in sorted(buckets):
        if before is not None and index == before + 1:
            spans[-1] = spans[-1]._replace(length=spans[-1].length + 1)
        else:
            spans.append(BucketSpan(index if before is None else index - before - 1, 1))
        deltas.append(buckets[index] - count_before)
        before, count_before = index, buckets[index]
    total = float(np.dot(counts.astype(np.float64), UPPER_NS)) * 1e-9
    return NativeHistogram(int(counts.sum()), total, SCHEMA, 1e-10, zero, spans, None, deltas)


# Protobuf's wire format: https://protobuf.dev/programming-guides/encoding/


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _labels(labels: dict[str, str]) -> bytes:
    return b"".join(
        _bytes(1, _bytes(1, name.encode()) + _bytes(2, value.encode()))
        for name, value in sorted(labels.items())
    )


def _native_message(histogram: "NativeHistogram") -> bytes:
    spans = b"".join(
        _bytes(12, _number(1, _zigzag(span.offset)) + _number(2, span.length))
        for span in histogram.pos_spans or ()
    )
    deltas = b"".join(_varint(_zigzag(delta)) for delta in histogram.pos_deltas or ())
    return (
        _number(1, int(histogram.count_value))
        + _double(2, histogram.sum_value)
        + _number(5, _zigzag(histogram.schema))
        + _double(6, histogram.zero_threshold)
        + _number(7, int(histogram.zero_count))
        + spans
        + (_bytes(13, deltas) if deltas else b"")
    )


def _classic_messages(family: "Metric") -> Iterator[bytes]:
    """A family's histograms: their samples come as buckets, then count and sum, one after
    another."""
    buckets, count, labels = b"", 0, {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            buckets += _bytes(
                3, _number(1, int(sample.value)) + _double(2, float(sample.labels["le"]))
            )
        elif sample.name.endswith("_count"):
            count = int(sample.value)
        elif sample.name.endswith("_sum"):
            body = _number(1, count) + _double(2, sample.value) + buckets
            yield _labels(labels) + _bytes(7, body)
            buckets = b""


def _messages(family: "Metric") -> tuple[str, int, Iterable[bytes]]:
    """Name, type, and a metric's message for each of a family."""
    samples: list[Any] = list(family.samples)
    if family.type == "histogram":
        if samples and samples[0].native_histogram is not None:
            messages = (
                _labels(sample.labels) + _bytes(7, _native_message(sample.native_histogram))
                for sample in samples
            )
            return family.name, HISTOGRAM, messages
        return family.name, HISTOGRAM, _classic_messages(family)
    if family.type == "counter":
        messages = (
            _labels(sample.labels) + _bytes(3, _double(1, sample.value)) for sample in samples
        )
        return family.name + "_total", COUNTER, messages
    name = family.name + ("_info" if family.type == "info" else "")
    messages = (_labels(sample.labels) + _bytes(2, _double(1, sample.value)) for sample in samples)
    return name, GAUGE, messages


def delimited(families: "Iterable[Metric]") -> bytes:
    """Metric families as Prometheus scrapes them by protobuf."""
    out = bytearray()
    for family in families:
        name, kind, messages = _messages(family)
        metrics = b"".join(_bytes(4, message) for message in messages)
        body = _bytes(1, name.encode()) + _bytes(2, family.documentation.encode())
        body += _number(3, kind) + metrics
        out += _varint(len(body)) + body
    return bytes(out)
