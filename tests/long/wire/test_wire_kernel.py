"""wire/kernel.py: one compiler policy, and a cache that never returns an old answer."""

import pytest

from tests.support.wire import wire_kernel as shared
from tests.support.wire.wire_kernel import ask, needs_level, ship

tree = shared.tree


@needs_level
@pytest.mark.parametrize(
    "variables",
    [
        {"OUTCRY_VERIFY": "1"},
        {"OUTCRY_SHIPPED": "0"},
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_ENABLE_AVX": "0"},
    ],
    ids=["verified", "not wanted", "another processor", "no AVX"],
)
def test_what_the_package_has_does_not_stand_in_for_other_code(tree, variables):
    """It is compiled here, and kept, where other code is asked for than the package has."""
    ship(tree)
    cache, answer, hits = ask(tree, **variables)
    assert (answer, hits) == (11, 0)
    assert len(list(cache.glob("*.nbc"))) == 1


@needs_level
@pytest.mark.parametrize("missing", ["a feature", "numba", "llvmlite", "a source"])
def test_without_its_match_what_the_package_has_is_compiled_here(tree, missing):
    """A processor without one of the level's features, another numba or llvmlite than it was
    compiled with, an edited source: the answer is the sources' own."""
    there = ship(tree)
    expected = 11
    if missing == "a source":
        callee = tree / "openoutcry" / "flow" / "callee.py"
        callee.write_text(callee.read_text().replace("STEP = 5", "STEP = 7"))
        expected = 15
    elif missing == "a feature":
        pretend = (
            "from llvmlite import binding\n"
            "has = binding.get_host_cpu_features()\n"
            "has['bmi2'] = False\n"
            "binding.get_host_cpu_features = lambda: has\n"
        )
    else:
        pretend = f"import {missing}\n{missing}.__version__ = '99.9.9'\n"
    if missing != "a source":
        (tree / "sitecustomize.py").write_text(pretend)
    cache, answer, hits = ask(tree)
    assert (answer, hits) == (expected, 0)
    assert len(list(cache.glob("*.nbc"))) == 1
    assert list(there.rglob("*.nbi")) != [], "what it has is left as it is"
