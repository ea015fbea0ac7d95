"""The judge (matcher_judge) passes what is right and finds faults that both implementations share.

A fault of both is a fault of the reference when nobody compares: each is planted in the reference's
source, and the judge, which sees its commands and events alone, must find it.
"""

import importlib
import inspect
import sys
import textwrap

import pytest

from openoutcry.matcher.reference import cascade
from openoutcry.wire import SelfTrade
from tests.oracles.matcher_judge import Violation, judge
from tests.support.matcher.matcher_judge import FAULTS, answer, runs

REFERENCE = "openoutcry.matcher.reference."
BROKEN = (AssertionError, LookupError, ValueError)
"""How the reference itself may end under a fault: then no judge is needed."""


def lines_of(fault, sign):
    return "\n".join(line[1:] for line in fault.splitlines()[1:] if line[0] == sign)


def plant(monkeypatch, fault):
    """Compile the function anew with the fault in it, and use it wherever it is used."""
    module_name, name = fault.splitlines()[0].split()
    module = importlib.import_module(REFERENCE + module_name)
    owner, _, attribute = name.rpartition(".")
    holder = getattr(module, owner) if owner else module
    original = inspect.getattr_static(holder, attribute)
    is_property = isinstance(original, property)
    source = textwrap.dedent(inspect.getsource(original.fget if is_property else original))
    old, new = lines_of(fault, "-"), lines_of(fault, "+")
    assert old in source, f"{name} no longer says {old!r}: plant this fault another way"
    source = source.removeprefix("@property\n").replace(old, new)
    compiled = {}
    exec(compile(source, name, "exec"), module.__dict__, compiled)
    faulty = property(compiled[attribute]) if is_property else compiled[attribute]
    if owner:
        monkeypatch.setattr(holder, attribute, faulty)
        return
    for user in [m for n, m in sys.modules.items() if n.startswith(REFERENCE)]:
        if user.__dict__.get(attribute) is original:
            monkeypatch.setattr(user, attribute, faulty)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.long if n % 4 else ())
        for n, fault in enumerate(FAULTS)
    ],
)
def test_a_fault_that_both_implementations_share_is_found(monkeypatch, fault):
    """Within a few streams the judge names a rule that does not hold."""
    # What a planted line may need that the file itself does not.
    monkeypatch.setattr(cascade, "SelfTrade", SelfTrade, raising=False)
    plant(monkeypatch, FAULTS[fault])
    for run in runs():
        try:
            events = answer(run)
        except BROKEN:
            continue
        try:
            judge(run.instruments, run.orders, events)
        except Violation:
            return
    pytest.fail(f"the judge saw nothing wrong although {fault}")
