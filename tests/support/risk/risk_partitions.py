"""A core in partitions, its plain reference, and one that sees everything at once and is only asked
whether it would have let in what the partitions let in."""

from types import SimpleNamespace

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.risk import after as one_after
from openoutcry.risk import before as one_before
from openoutcry.risk import layout as lay
from openoutcry.risk import partitions as kernels
from openoutcry.risk.bits import NO_LIMIT, RISK_KIND
from openoutcry.risk.partitioned import divide, partition_numbers
from openoutcry.risk.region import View, make_region
from tests.oracles.risk.partitions import PartitionedReference
from tests.oracles.risk.words import participant_words, words_of
from tests.support.risk.risk_core import GROUPS, PARTICIPANTS, fields, rejected

ALLOCATED = (*kernels.ALLOCATED, (lay.RESERVED, lay.CREDIT))


def address(array):
    return array.ctypes.data


class Triple:
    """Kernels in partitions around a matcher, the reference, and the whole check."""

    def __init__(self, instruments, partitions, **more):
        sizes = {"participants": PARTICIPANTS, "groups": GROUPS, "order_capacity": 5_000} | more
        self.engine = Engine(instruments, sizes["order_capacity"])
        self.all_seeing = make_region(instruments, **sizes)
        self.region = divide(make_region(instruments, **sizes), instruments, partitions)
        numbers = partition_numbers(instruments, partitions).tolist()
        del sizes["order_capacity"]
        self.plain = PartitionedReference(instruments, numbers, partitions, **sizes)
        self.verdicts, self.seq = [], 0

    @property
    def limits(self):
        """What an operator draws limits by: what is used of them in truth."""
        view, whole = View(self.all_seeing), self.plain.whole
        return SimpleNamespace(view=view, reference=whole)

    def process(self, order):
        self.seq += 1
        order["seq"] = self.seq
        command = fields(order)
        wanted = self.plain.before(command)
        verdict = kernels.before(address(self.region), address(order))
        assert verdict == wanted, (order[0], verdict, wanted)
        makes_no_sense = verdict == 0 and command["kind"] == RISK_KIND
        if verdict in (0, one_before.APPLIED) and not makes_no_sense:
            takes = one_before.before(address(self.all_seeing), address(order))
            assert takes == verdict, (order[0], verdict, takes)
        events = rejected(order[0], verdict) if verdict else self.engine.process(order)
        if verdict:
            index = self.plain.whole.index.get(bytes(command["symbol"]))
            events["instrument"] = 0xFFFF if index is None else index
        if verdict == 0 or verdict == one_before.APPLIED:
            seen = events.copy()
            one_after.after(address(self.all_seeing), address(order), address(seen), len(seen))
        kernels.after(address(self.region), address(order), address(events), len(events))
        if verdict:
            expected = self.plain.part_of(command).tells(command, wanted)
            assert {name: int(events[name][0]) for name in expected} == expected
        else:
            self.plain.after(command, events)
        self.verdicts.append(verdict)
        for who in {*events["participant"].tolist(), command["participant"]}:
            if who < PARTICIPANTS:
                self.never_past(who)
        return verdict

    def never_past(self, who):
        """No sum of parts is more than its limit, nor what all partitions use together more than
        the one that sees everything has."""
        view, seen = View(self.region), View(self.all_seeing)
        if view.word(lay.REBALANCE_DUE):
            return
        for use_at, limit_at in ALLOCATED:
            used = [part.of(who, use_at) for part in view.partitions]
            assert sum(used) == seen.of(who, use_at)
            parts = [part.of(who, limit_at) for part in view.partitions]
            limit = seen.of(who, limit_at)
            if limit_at == lay.CREDIT and limit != NO_LIMIT:
                limit += seen.of(who, lay.BALANCE)
                moves = [part.of(who, lay.BALANCE) for part in view.partitions]
                parts = [part + move for part, move in zip(parts, moves, strict=True)]
            if limit == NO_LIMIT:
                assert parts == [NO_LIMIT] * len(parts)
            elif sum(used) <= limit:
                most = sum(max(pair) for pair in zip(parts, used, strict=True))
                assert most <= limit, (use_at, parts, used, limit)

    def same(self):
        """Every word of every partition is what the reference says."""
        view, plain = View(self.region), self.plain
        assert view.word(lay.REBALANCES) == plain.rebalances
        assert view.word(lay.REBALANCE_DUE) == plain.rebalance_due
        participants = view.participants.tolist()
        for who in range(PARTICIPANTS):
            kept, words = participants[who], participant_words(plain.whole, who)
            for at in kernels.SUMMED:  # as of the last rebalance point
                words[at // 8] = kept[at // 8]
            assert kept == words, who
        for number, (part, one) in enumerate(zip(view.partitions, plain.parts, strict=True)):
            own = [n for n, other in enumerate(plain.numbers) if other == number]
            tables = words_of(one, part)
            for name in ("header", "participants", "orders", "instruments", "cells"):
                wanted, is_own = np.array(tables[name], np.int64), slice(None)
                if name in ("instruments", "cells"):
                    is_own = (own,) if name == "instruments" else (slice(None), own)
                got = part.open_orders() if name == "orders" else getattr(part, name)
                got = np.array(got, np.int64).reshape(wanted.shape)[is_own].copy()
                if name == "instruments":
                    assert set(got[:, lay.PARTITION // 8].tolist()) <= {number + 1}
                    got[:, lay.PARTITION // 8] = 0
                if name == "participants":  # a partition has it in the flags alone
                    wanted[:, lay.STATUS // 8] = 0
                if name == "header":
                    for at in (lay.FIRST_OPERATOR, lay.FILE_DIGEST, lay.EMERGENCY):
                        got[at // 8] = wanted[at // 8] = 0
                assert np.array_equal(got, wanted[is_own]), (number, name)
            for row, group in enumerate(one.groups):
                words = part.groups[row].tolist()[:3]
                assert words == [one.group_gross(row), group.gross_limit, group.killed]
