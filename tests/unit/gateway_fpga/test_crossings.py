"""The judge of clock crossings, on netlists of a few cells: each rule broken alone."""

from typing import Any

import pytest

from openoutcry.gateway_fpga.tools.crossings import build, judge

CLK, RX_CLK = 2, 3


class Top:
    """A module as Yosys writes it, cell by cell."""

    def __init__(self) -> None:
        self.next_bit = 4
        self.ports: dict[str, Any] = {
            "clk": {"direction": "input", "bits": [CLK]},
            "rx_clk": {"direction": "input", "bits": [RX_CLK]},
        }
        self.cells: dict[str, Any] = {}
        self.netnames: dict[str, Any] = {}

    def flip_flop(
        self, name: str, clock: int, data: list[int], kind: str = "$dff", marked: bool | None = None
    ) -> list[int]:
        bits = [self._bit() for _ in data]
        self.cells[name] = {
            "type": kind,
            "parameters": {"CLK_POLARITY": "1"},
            "port_directions": {"CLK": "input", "D": "input", "Q": "output"},
            "connections": {"CLK": [clock], "D": data, "Q": bits},
        }
        sync = "sync_" in name if marked is None else marked
        self.netnames[name] = {"bits": bits, "attributes": {"ASYNC_REG": "TRUE"} if sync else {}}
        return bits

    def logic(self, *ins: int) -> list[int]:
        out = self._bit()
        self.cells[f"$and${out}"] = {
            "type": "$and",
            "parameters": {},
            "port_directions": {"A": "input", "Y": "output"},
            "connections": {"A": list(ins), "Y": [out]},
        }
        return [out]

    def input(self, name: str) -> list[int]:
        self.ports[name] = {"direction": "input", "bits": [self._bit()]}
        bits: list[int] = self.ports[name]["bits"]
        return bits

    def _bit(self) -> int:
        self.next_bit += 1
        return self.next_bit

    def judged(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        report = judge(build({"ports": self.ports, "cells": self.cells, "netnames": self.netnames}))
        return report.crossings, report.wrong


def source(top: Top, name: str = "flag", bits: int = 1) -> list[int]:
    return top.flip_flop(name, RX_CLK, ["0"] * bits)  # type: ignore[list-item]


def test_two_flip_flops_in_a_row_are_right() -> None:
    """One bit, and several of a Gray code's register."""
    for name, bits in (("flag", 1), ("queue.read_gray", 4)):
        top = Top()
        first = top.flip_flop("over.sync_first", CLK, source(top, name, bits))
        second = top.flip_flop("over.sync_second", CLK, first)
        top.flip_flop("taker", CLK, top.logic(*second))
        assert top.judged() == ((f"{name} -> over.sync_first",), ())


def test_what_stays_in_its_clock_is_no_crossing() -> None:
    """Inputs of the receive side belong to the receive clock, the others to ``clk``."""
    top = Top()
    top.flip_flop("here", CLK, top.logic(*top.input("s_axil_wvalid")))
    top.flip_flop("there", RX_CLK, top.logic(*top.input("s_axis_tvalid"), *top.input("rx_rst")))
    assert top.judged() == ((), ())


@pytest.mark.parametrize("port", ["rx_rst", "s_axis_tvalid"])
def test_an_input_of_another_clock_is_a_crossing(port: str) -> None:
    """It does not begin at a flip-flop of this module, so nobody can see that it is still."""
    top = Top()
    top.flip_flop("taker", CLK, top.input(port))
    assert top.judged()[1] == (f"taker takes {port} of another clock past every outcry_sync",)


def broken(kind: str) -> Top:
    top = Top()
    flag = source(top, bits=2 if kind == "not gray" else 1)
    data = top.logic(*flag) if kind == "logic" else flag
    how = "$sdff" if kind == "reset" else "$dff"
    first = top.flip_flop("over.sync_first", CLK, data, how, marked=kind != "unmarked first")
    if kind != "one":
        clock = RX_CLK if kind == "other clock" else CLK
        between = top.logic(*first) if kind == "logic between" else first
        top.flip_flop("over.sync_second", clock, between, marked=kind != "unmarked second")
    if kind in ("one", "two takers"):
        top.flip_flop("taker", CLK, first)
    return top


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("one", "over.sync_first is used by something other than one second flip-flop"),
        ("two takers", "over.sync_first is used by something other than one second flip-flop"),
        ("logic between", "over.sync_first is used by something other than one second flip-flop"),
        ("logic", "logic, an enable or a reset is before over.sync_first"),
        ("reset", "logic, an enable or a reset is before over.sync_first"),
        ("unmarked first", "over.sync_first or its second flip-flop lacks ASYNC_REG"),
        ("unmarked second", "over.sync_first or its second flip-flop lacks ASYNC_REG"),
        ("not gray", "over.sync_first takes 2 bits that are no Gray code's register"),
    ],
)
def test_a_broken_synchroniser_is_named(kind: str, sentence: str) -> None:
    """Each rule alone; simulation sees none of them."""
    assert sentence in broken(kind).judged()[1]


def test_a_second_flip_flop_of_the_other_clock_is_named() -> None:
    """It would take the first one's output back into the clock that it came from."""
    wrong = broken("other clock").judged()[1]
    assert "over.sync_first and its second flip-flop have different clocks" in wrong


def test_a_signal_past_every_synchroniser_is_named() -> None:
    """Straight into a register, through logic, and beside a synchroniser that has it too."""
    top = Top()
    flag = source(top)
    first = top.flip_flop("over.sync_first", CLK, flag)
    top.flip_flop("over.sync_second", CLK, first)
    top.flip_flop("taker", CLK, top.logic(*flag))
    assert top.judged()[1] == ("taker takes flag of another clock past every outcry_sync",)
