"""The tables on docs/matcher.md are the code's own: checks in their order, order types."""

import ast
import inspect
import re

import pytest

from openoutcry.wire import CommandKind, OrderType, Reason
from openoutcry.wire.order_types import ORDER_TYPES
from tests import ROOT
from tests.oracles.matcher import books, checks, engine

PAGE = (ROOT / "docs" / "matcher.md").read_text()


def functions():
    """Every function of the reference that checks, by its name."""
    nodes = {}
    for module in (engine, checks, books):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef):
                nodes[node.name] = node
    return nodes


FUNCTIONS = functions()


NO_ANSWERS = ("_enter_due",)
"""What a leg of a list is refused with as it enters is no answer to the command at work."""


def member(node, enum):
    """``X`` of ``Reason.X``, or None."""
    is_member = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return node.attr if is_member and node.value.id == enum else None


def checks_of(node, kind):
    """The reasons that the code refuses a command of ``kind`` with, as it comes to them."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Compare):
        left, right = node.test.left, node.test.comparators[0]
        tested_kind = member(right, "CommandKind")
        if tested_kind and ast.unparse(left) == "c.kind" and isinstance(node.test.ops[0], ast.Eq):
            for statement in node.body if tested_kind == kind.name else node.orelse:
                yield from checks_of(statement, kind)
            return
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if member(key, "CommandKind") == kind.name and isinstance(value, ast.Attribute):
                yield from checks_of(FUNCTIONS[value.attr], kind)
        return
    for child in ast.iter_child_nodes(node):
        yield from checks_of(child, kind)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("require", "Rejected"):
            reasons = [member(argument, "Reason") for argument in node.args]
            yield from (reason for reason in reasons if reason)
        elif name in FUNCTIONS and not name.startswith("__") and name not in NO_ANSWERS:
            yield from checks_of(FUNCTIONS[name], kind)
    if isinstance(node, ast.Return) and member(node.value, "Reason") not in (None, "NONE"):
        yield member(node.value, "Reason")


def row_of(kind):
    """The reasons in the table's row of a command, in their order."""
    (row,) = re.findall(rf"^\| {kind} \| (.*) \|$", PAGE, re.MULTILINE)
    return [word for word in re.findall(r"`(\w+)`", row) if word in Reason.__members__]


KINDS = [kind for kind in CommandKind if kind not in (CommandKind.DISCONNECT, CommandKind.RISK)]
"""DISCONNECT is never rejected; RISK is answered before the matcher (docs/risk.md)."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_table_of_rejects_is_the_codes_own_order_of_checks(kind):
    """Read from the reference's source, which the kernels are compared with byte for byte."""
    first = row_of("all")
    reasons = list(checks_of(FUNCTIONS["_dispatch"], kind))
    assert reasons[: len(first)] == first
    assert row_of(f"`{kind.name}`") == list(dict.fromkeys(reasons[len(first) :]))


def test_the_table_of_order_types_is_the_codes():
    """Each type's times in force, what ``aux`` means to it, and whether it has a price."""
    (table,) = re.findall(r"\| type \| time in force .*?\n\|[-|]*\n(.*?)\n\n", PAGE, re.DOTALL)
    documented = {}
    for line in table.splitlines():
        types, times, aux, price = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"\w+", types):
            documented[OrderType[name]] = times, aux, price
    assert set(documented) == set(OrderType)
    for order_type, row in ORDER_TYPES.items():
        times, aux, price = documented[order_type]
        names = [tif.name for tif in row.times_in_force]
        every = len(names) == 7
        assert times == ("all" if every else " ".join(names)), order_type.name
        takes_gtd = "GTD" in names
        assert aux == (row.aux.value or ("GTD: until when" if takes_gtd else "")), order_type.name
        assert (price == "no") == (not row.is_priced), order_type.name
