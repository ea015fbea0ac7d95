"""A watcher gives way: from its first look on, and off the cores that stages spin on."""

import os

from openoutcry.operations.aside import NICE, Aside


def test_it_gives_way_from_the_first_look_on(monkeypatch):
    cores, priorities = [], []
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, wanted: cores.append(wanted))
    monkeypatch.setattr(os, "setpriority", lambda which, thread, nice: priorities.append(nice))
    aside = Aside()
    assert (cores, priorities) == ([], []), "to make one changes nothing"
    aside.keep_off(frozenset())
    assert (set(cores), set(priorities)) == ({frozenset({0, 1, 2})}, {NICE})
    del cores[:], priorities[:]
    aside.keep_off(frozenset())
    assert (cores, priorities) == ([], []), "nothing is new"
    aside.keep_off(frozenset({1}))
    assert (set(cores), set(priorities)) == ({frozenset({0, 2})}, {NICE})
    del cores[:]
    aside.keep_off(frozenset({0, 1, 2}))
    assert set(cores) == {frozenset({0, 1, 2})}, "there are no others"
