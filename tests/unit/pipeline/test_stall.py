"""Stages that live and make no progress: reported, dumped, restarted; and nobody else is."""

import os

import pytest

from openoutcry.pipeline.stall import Evidence, scheduling


def test_waiting_for_a_processor_is_no_evidence() -> None:
    """An hour in which the process waited for a core all the time; that it did is told when the
    wait is over."""
    evidence = Evidence()
    for step in range(36_000):
        evidence.poll(1.0 + step * 0.1, 0.0, 0.0, "R")
    evidence.poll(3_601.0, 0.0, 3_600.0, "S")
    assert evidence.seconds == 0.0
    for step in range(1, 100):
        evidence.poll(3_601.0 + step * 0.1, 0.0, 3_600.0 + step * 0.1, "S")
    assert evidence.seconds < 1e-6


def test_running_without_progress_is_evidence() -> None:
    evidence = Evidence()
    for step in range(51):
        evidence.poll(1.0 + step * 0.1, step * 0.05, step * 0.05, "R")
    assert evidence.seconds == pytest.approx(2.5)
    for step in range(51, 101):
        evidence.poll(1.0 + step * 0.1, 2.5, 2.5 + (step - 50) * 0.02, "S")
    assert evidence.seconds == pytest.approx(6.5)


def test_a_disk_may_take_its_time() -> None:
    """No thread of a process that waits for a disk is evidence, also not the one that waits for
    that thread."""
    evidence = Evidence()
    for step in range(1_000):
        evidence.poll(1.0 + step * 0.1, 0.0, 0.0, "SD" if step % 2 else "D")
    assert evidence.seconds == 0.0


def test_a_supervisor_that_did_not_run_has_seen_nothing() -> None:
    """A minute between two looks counts as one short one."""
    evidence = Evidence()
    evidence.poll(1.0, 0.0, 0.0, "T")
    evidence.poll(61.0, 0.0, 0.0, "T")
    assert evidence.seconds <= 0.3


def test_the_kernel_says_how_long_a_process_ran_and_waited() -> None:
    ran_s, waited_s, states = scheduling(os.getpid())
    assert ran_s > 0.0
    assert waited_s >= 0.0
    assert states[0] == "R"
