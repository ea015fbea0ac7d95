"""A venue says what it compiles before its sessions can speak; a cold start was silent."""

from openoutcry.order_entry import sessions_state
from openoutcry.order_entry.spec import Protocol, SessionsSpec
from tests.support.order_entry.sessions_venue import session

ROWS = (
    session("ALPHA", 1),
    session("BETA", 2),
    session("FIRM", 3, protocol=int(Protocol.FIX44)),
    session("COPY", 1, protocol=int(Protocol.DROP_COPY)),
)


def said(monkeypatch, kept):
    """What is announced and what is compiled, in their order."""
    steps = []
    monkeypatch.setattr(sessions_state, "is_kept", kept)
    monkeypatch.setattr(
        sessions_state, "compile_kernel", lambda kernel, count: steps.append(kernel)
    )
    sessions_state.compile_protocols(SessionsSpec(ROWS, ()), steps.append)
    return steps


def test_each_part_is_announced_before_it_is_compiled(monkeypatch):
    steps = said(monkeypatch, lambda kernel: False)
    announced = [step for step in steps if isinstance(step, str)]
    assert announced == [
        f"compiling {part}" for part in ("sessions", "OUCH42", "FIX44", "DROP_COPY")
    ]
    assert all(not isinstance(steps[steps.index(one) + 1], str) for one in announced)
    # Everything that the sessions' tables are filled with.
    fix = steps[steps.index("compiling FIX44") : steps.index("compiling DROP_COPY")]
    assert len(fix) == 1 + len(sessions_state.ARGUMENTS)


def test_nothing_is_said_where_all_is_kept(monkeypatch):
    assert said(monkeypatch, lambda kernel: True) == []
