"""What `bench compare` says of itself: a 5 % slower matcher is called, identical builds are not."""

from openoutcry.bench.matcher_loops import load
from openoutcry.flow import GeneratedFlow
from tests.support.bench.compare_selfcheck import one_pass


def test_the_injected_slow_down_is_what_it_says() -> None:
    """A matcher slowed to a third of its pace is kept busy for twice the time it took, so the
    self-check above injects what it means to."""
    loaded = load(GeneratedFlow("normal", 20_000, 1), 5_000)
    matched, waited = one_pass(loaded, 200)
    assert matched > 0
    assert waited >= 2 * matched
    assert one_pass(loaded, 0)[1] == 0
