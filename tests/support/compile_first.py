"""Compile what many tests need before they begin: ``python -m tests.support.compile_first WHAT``.

The matcher takes half a minute of a processor, with assertions and without.  ``make test`` starts
these beside each other; tests that need a kernel while another process compiles it would wait for
it (wire/kernel.py).
"""

import gc
import sys

from openoutcry.wire.kernel import VERIFY, compile_kernel


def matcher() -> None:
    """The pipeline, with kernels around the matcher as well, and the bench's loop of single
    commands, in which the matcher is once more."""
    from openoutcry.bench.matcher_loops import run_singly
    from openoutcry.pipeline.compile import compile_kernels

    compile_kernels(lambda what, done, total: None, hooked=True)
    compile_kernel(run_singly, 5)


def verified() -> None:
    """The matcher with its assertions."""
    from openoutcry.matcher import process_batch

    assert VERIFY, "OUTCRY_VERIFY=1 is to be set"
    compile_kernel(process_batch, 5)


def venue() -> None:
    """What is around the pipeline in a venue: sessions, their copies, limits and the feed."""
    from openoutcry.journal.risk_hooks import risk_kernels
    from openoutcry.market_data.public_feed import KERNELS

    sessions()
    kernels = [*KERNELS, *risk_kernels({"delayed": 1}), *risk_kernels({"partitions": 2})]
    for kernel, count in kernels:
        compile_kernel(kernel, count)


def hooked() -> None:
    """The matcher with kernels around it, where :func:`matcher` does not run."""
    from openoutcry.matcher.hooks import process_hooked

    compile_kernel(process_hooked, 5)


def sessions() -> None:
    """Every protocol of order entry, and the stage of the sessions."""
    from openoutcry.order_entry.sessions import STAGES
    from openoutcry.order_entry.sessions_state import ARGUMENTS, CODECS, SESSIONS
    from openoutcry.pipeline.worker import step_address

    for kernel, count in SESSIONS:
        compile_kernel(kernel, count)
    for module in CODECS.values():
        for name, count in ARGUMENTS.items():
            if hasattr(module, name):
                compile_kernel(getattr(module, name), count)
    for row in STAGES:
        step_address(row)


if __name__ == "__main__":
    # What numba leaves behind is not worth looking for: 6 % of the time.
    gc.disable()
    WHAT = {"matcher": matcher, "verified": verified, "venue": venue, "hooked": hooked}
    WHAT[sys.argv[1]]()
