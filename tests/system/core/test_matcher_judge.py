"""The judge (matcher_judge) passes what is right and finds faults that both implementations share.

A fault of both is a fault of the reference when nobody compares: each is planted in the reference's
source, and the judge, which sees its commands and events alone, must find it.
"""

from tests.oracles.matcher_judge import judge
from tests.support.matcher.matcher_judge import answer, runs


def test_what_is_right_is_passed():
    """The streams of the next test, without a fault."""
    for run in runs():
        judge(run.instruments, run.orders, answer(run))
