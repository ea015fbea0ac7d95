"""A run in one thread that goes on only when its owner says so: no process, no port, no waiting."""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from openoutcry.pipeline import worker
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import RunState, Watcher
from openoutcry.pipeline.run import finished, inline_stages, prepared
from openoutcry.runtime import loop
from openoutcry.runtime.work import PipelineError

QUIET_TURNS = 8
"""Three turns of four the sessions' stage looks at one connection alone, and while requests came by
shared memory at sockets in one of eight."""
RESTLESS_S = 20.0
"""A step that takes more processor time never ends: some stage says each time that it had something
to do."""


class SteppedRun:
    """Everything of an inline run, from its beginning to its :meth:`stop` or :meth:`drop`."""

    def __init__(self, options: Options, watcher: Watcher | None = None) -> None:
        self.options = replace(options, topology="inline", doors=False)
        self.watcher, self.state = watcher or Watcher(), RunState()
        self._stack = ExitStack()
        try:
            self.work, _, _ = prepared(self.options, self.watcher, self._stack, self.state)
            self.work.shared.unlink()  # no other process looks for it by its name
            self._group, self._apart = inline_stages(self.work, self.state)
        except BaseException:
            self.drop()
            raise
        self.has_finished = False

    def turn(self) -> int:
        """One turn of every stage, or more, and of the operator; how much was done besides."""
        if self.options.operator is not None:
            self.options.operator.poll()
        ended = self._group.run(worker.SLICE_NS, leave_idle=True)
        done = sum(stage.step() for stage in self._apart) + (ended == loop.TIME_UP)
        self.has_finished = ended == loop.FINISHED and all(one.finished for one in self._apart)
        return done

    def step(self) -> None:
        """All stages until none has anything to do."""
        quiet, until_s = 0, time.thread_time() + RESTLESS_S
        while quiet < QUIET_TURNS and not self.has_finished:
            quiet = 0 if self.turn() else quiet + 1
            if time.thread_time() > until_s:
                raise PipelineError("the stages have not come to rest")

    def step_alone(self, stage: str) -> None:
        """One stage until it has nothing to do: the machine keeps the others from their cores."""
        plan = self._group.plan
        row = np.ascontiguousarray(plan[plan[:, 2] == self.work.table.index[stage]])
        nap = np.zeros(loop.NAP_WORDS, np.int64)
        for _ in range(QUIET_TURNS):
            loop.run_stages(
                row.ctypes.data,
                1,
                loop.Probe.of(0),
                worker.SLICE_NS,
                worker.SPINS,
                1,
                loop.Nap.of(nap.ctypes.data),
            )

    def begin_again(self, stage: str, place: int) -> None:
        """The process of a stage is dead and replaced; of the events it had taken those up to
        ``place``."""
        contexts = self._group.contexts
        self.work.shared.events.cursors[stage][0] = place
        contexts.words[self.work.table.index[stage]] = 0
        contexts.wire(stage)
        self.work.table[stage].code.prepare(self._group, stage)

    def close_input(self) -> None:
        """Take no more input: the stages drain."""
        self.work.shared.control.block.stop = 1

    def stop(self) -> dict[str, Any]:
        """End in order, whose input is closed; the result document."""
        try:
            self.step()
            if not self.has_finished:
                raise PipelineError("the stages have not ended: time has to pass for them")
            self.work.shared.check()
            self.state.outcome = self._group.outcome()
            for stage in self._apart:
                self.state.outcome |= stage.outcome()
            return finished(self.options, self.work, self.state, self.watcher, {})
        finally:
            self.drop()

    def drop(self) -> None:
        """Leave everything as it is: what is in memory is lost, as when the machine is gone."""
        self._stack.close()
