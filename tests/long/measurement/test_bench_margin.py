"""``outcry bench margin`` measures both paths of a check."""

from openoutcry.bench.margin import bench_margin
from openoutcry.bench.results import SHAPE


def test_the_document_has_both_paths():
    document = bench_margin(1, True, "outcry bench margin --quick", lambda line: None)
    assert document["shape"] == SHAPE
    names = {result["name"] for result in document["results"]}
    of_kernels = {"bound_p50", "bound_p99", "exact_p50", "exact_p99"}
    of_core = {f"core_{name}" for name in of_kernels} | {"core_alone_p50"}
    assert names == of_kernels | of_core
