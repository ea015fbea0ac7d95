"""A seeded simulation of replication: one seed is one history, and the checker judges it.

The state machines are the real ones (``primary.py``, ``standby.py``, ``lease_holder.py``,
``chain.py``, ``local.py``).  Network, clocks, disks, servers and clients are drawn from the seed.
Messages are lost, doubled, delayed and reordered; nodes are partitioned, pause, crash with torn
blocks and read damaged ones.  Leaders are down or stale, clocks drift and jump, takeovers are
planned or forced, and a core has one lot changed.  After that all is healed, and the venue must
trade on.

The checker tests six rules.  What was released is never lost and never reported differently; there
is one total order; nothing comes twice.  An older epoch releases nothing after a newer one; hashes
are equal; clients see a prefix.
"""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from openoutcry.replica.actions import (
    MS,
    Action,
    Fetch,
    Publish,
    ReadLease,
    Stopped,
    Timing,
    WriteLease,
)
from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.message import Check
from tests.support.replica.simulated_node import Node
from tests.support.replica.simulated_stream import Faults, SimulatedStream, simulated_unpack

NODES = 3
FAULTY_STEPS = 240
HEAL_STEPS = 2400
GARBAGE = 100_000
"""Objects made before garbage is looked for: a history's are mostly its own to the end."""
STEP_NS = (20 * MS, 60 * MS, 120 * MS, 240 * MS)
"""A step takes at most this long; one of them for each history."""
SHARES = ((0.55, 0.75, 0.86), (0.35, 0.50, 0.60), (0.60, 0.75, 0.92))
"""Shares of a history's steps: up to the first one something is delivered, then read, then a node
ticks; the rest are clients' commands."""
TIMING = Timing(lease_ns=3_000 * MS, margin_ns=500 * MS, retry_ns=500 * MS, look_ns=1_000 * MS)


class Violation(Exception):
    """A history that must not be."""


@dataclass
class Findings:
    """Findings of many histories."""

    histories: int = 0
    steps: int = 0
    released: int = 0
    promotions: int = 0
    faults: int = 0
    dead_messages: int = 0
    violations: list[tuple[int, str]] = field(default_factory=list)
    """Seed, and what was wrong."""


def draw_faults(rng: Random) -> Faults:
    """Draw the faults of a history: most have some, one in eight none but delays."""

    def some(odds: float, most: int) -> int:
        return int(rng.random() * most) + 1 if rng.random() < odds else 0

    if rng.random() < 0.125:
        return Faults()
    return Faults(
        lost=some(0.6, 250),
        doubled=some(0.4, 200),
        read_damage=some(0.3, 300),
        stale=some(0.3, 300),
        crash=some(0.6, 25),
        pause=some(0.4, 25),
        partition=some(0.5, 25),
        outage=some(0.4, 20),
        clock_jump=some(0.1, 20),
        torn=some(0.5, 1000),
        corrupt_core=some(0.1, 10),
        promoted=some(0.1, 15),
        planned=some(0.3, 15),
    )


class World:
    """One history."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.rng = Random(seed)
        self.random = self.rng.random
        self.faults = draw_faults(self.rng)
        self.stream = SimulatedStream(self.rng, self.faults)
        self.unpack = simulated_unpack
        self.trace = trace
        self.now_ns = 0
        self.step_ns = self.rng.choice(STEP_NS)
        self.shares = self.rng.choice(SHARES)
        self.window = self.rng.choice((3, 6, 16))
        self.pool: list[tuple[Node, int, Action | None, Any]] = []
        """Requests on their way to the servers, and answers on their way back."""
        self.nodes = [Node(self, index, TIMING) for index in range(NODES)]
        self.outage_until_ns = 0
        self.steps = self.promotions = self.injected = self.dead = 0
        self.next_command = 1
        self.truth: list[tuple[int, int]] = [(0, 0)]
        """Commands that clients have received, by sequence: the command, and the hash of the
        events."""
        self.epochs: dict[int, str] = {}
        self.newest_release = 0
        self.clocks_sane = not (self.faults.clock_jump or self.faults.promoted)
        self.corrupt_nodes: set[int] = set()
        self.corrupted_ever = self.quiet = self.halted = False
        for node in self.nodes:
            node.rate_ppm = int((self.random() - 0.5) * 2000)
            node.start()

    # What a node asks of the world.

    def request(self, node: Node, action: Action) -> None:
        self.pool.append((node, node.incarnation, action, None))

    def chance(self, in_a_thousand: int) -> bool:
        return self.random() * 1000 < in_a_thousand

    def durable_blocks(self, node: Node) -> int:
        """Blocks whose loss would be a broken promise: those that it has said to be durable."""
        primary = node.primary
        return len(node.blocks) if primary is None else primary.offered.next_block

    def promoted(self, node: Node, epoch: int) -> None:
        self.promotions += 1
        self.say(f"{node.name} leads in epoch {epoch}")
        if epoch in self.epochs:
            raise Violation(f"epoch {epoch} has two primaries, {self.epochs[epoch]} and another")
        self.epochs[epoch] = node.name

    def released(self, node: Node, seq: int, core: int) -> None:
        """Events of command ``seq`` reach clients, from this node."""
        assert node.primary is not None, "only a primary releases"
        epoch = node.primary.tip.epoch
        if node.index in self.corrupt_nodes:
            return  # what a broken core says is not the protocol's; what others say of it is
        if self.clocks_sane and epoch < self.newest_release:
            raise Violation(
                f"{node.name} released command {seq} in epoch {epoch}, after epoch "
                f"{self.newest_release} had released"
            )
        self.newest_release = max(self.newest_release, epoch)
        if seq < len(self.truth):
            if self.truth[seq][1] != core:
                raise Violation(f"{node.name} reports command {seq} differently from before")
            return
        if seq != len(self.truth):
            raise Violation(f"{node.name} releases command {seq}: {len(self.truth)} comes next")
        self.truth.append((_command_at(node, seq), core))

    def stopped(self, node: Node, action: Stopped) -> None:
        self.halted = True
        self.say(f"{node.name} stops: {action.reason}")
        primary = node.primary
        if primary is None or action.reason == "handed over":
            return
        mine = primary.tip.epoch
        others = any(m.epoch > mine for m in self.stream.log)
        others = others or any(lease.epoch > mine for lease in self.stream.leases)
        if not others:
            raise Violation(
                f"{node.name} gave up in epoch {mine}, though no other node led: {action.reason}"
            )

    def corrupted(self, node: Node) -> None:
        self.say(f"{node.name}: one lot changed after command {node.seq}")
        self.corrupt_nodes.add(node.index)
        self.corrupted_ever = True

    def compared(self, node: Node, check: Check) -> None:
        """A standby continues after a message with that check."""
        if check.seq and check.seq == node.seq and check.events_hash != node.core:
            raise Violation(f"{node.name} continued with a core that differs from the primary's")

    def say(self, text: str) -> None:
        """Report a line to the trace, with the simulated time."""
        if self.trace is not None:
            self.trace(f"{self.now_ns / 1e9:9.3f} s  {text}")

    # One step.

    def step(self) -> None:
        """One step of the whole: a delivery, a read, a tick, or a client's command.  Raises
        :class:`Violation`."""
        self.steps += 1
        random, pool = self.random, self.pool
        self.now_ns += int(random() * self.step_ns)
        draw = random()
        delivered, read, ticked = self.shares
        if pool and draw < delivered:
            at = int(random() * len(pool))
            item = pool[at]
            doubled, lost = self.faults.doubled, self.faults.lost
            if not doubled or random() * 1000 >= doubled:
                pool[at] = pool[-1]
                pool.pop()
            if not lost or random() * 1000 >= lost:
                self._deliver(*item)
            return
        node = self.nodes[int(random() * NODES)]
        if not node.up or node.paused_until_ns > self.now_ns:
            if not node.up and draw > 0.8:
                node.start()
            return
        if draw < read:
            if not node.cut_off:
                node.read_on()
        elif draw < ticked:
            node.tick()
            self._require_sane(node)
        elif not self.quiet:
            self._client()

    def _deliver(self, node: Node, incarnation: int, action: Action | None, answer: Any) -> None:
        if node.cut_off or (action is not None and self.now_ns < self.outage_until_ns):
            return
        if action is not None:
            answer = self._serve(action)
            if answer is not None:
                self.pool.append((node, incarnation, None, answer))
            return
        if not node.up or incarnation != node.incarnation:
            return
        if node.paused_until_ns > self.now_ns:
            self.pool.append((node, incarnation, None, answer))
            return
        machine = node.machine
        if machine is not None:
            name, *arguments = answer
            node.do(getattr(machine, name)(node.now_ns(), *arguments))
            node.let_out()

    def _serve(self, action: Action) -> Any:
        stream = self.stream
        if isinstance(action, Publish):
            message = action.message
            last = stream.publish(message, message.position - 1)
            if self.trace is not None:
                self.say(
                    f"publish {message.position} of epoch {message.epoch}.{message.attempt}, "
                    f"blocks to {message.blocks.next_block}: "
                    + ("taken" if last < 0 else f"refused, the last is {last}")
                )
            return ("acknowledged", message) if last < 0 else ("refused", message, last)
        if isinstance(action, Fetch):
            return ("fetched", *stream.read(action.position, self.unpack))
        if isinstance(action, WriteLease):
            revision = stream.write_lease(action.lease, action.revision)
            return ("lease_written", action.lease, revision) if revision else ("lease_refused",)
        if isinstance(action, ReadLease):
            return ("lease_seen", *stream.read_lease())
        raise AssertionError(action)

    def _client(self) -> None:
        """A client sends its command to the node it believes to be the primary, until it is
        answered."""
        leaders = [n for n in self.nodes if n.up and n.primary is not None]
        if not leaders:
            return
        node = leaders[int(self.random() * len(leaders))]
        if node.paused_until_ns > self.now_ns:
            return
        if self.chance(700) and self.next_command < len(self.truth) + 2 * self.window:
            self.next_command += 1
        node.command(max(1, self.next_command - int(self.random() * 3)))

    def _require_sane(self, node: Node) -> None:
        if node.primary is not None and node.primary.tip.epoch not in self.epochs:
            raise Violation(f"{node.name} leads in an epoch that was never begun")

    def inject(self) -> None:
        """A fault, if a node is there that it can hit."""
        faults = self.faults
        node = self.nodes[int(self.random() * NODES)]
        draw = self.random() * faults.injected
        before = self.injected
        self.injected += 1
        if draw < faults.crash and node.up:
            self.say(f"{node.name} crashes")
            node.crash(self.chance(faults.torn))
        elif (draw := draw - faults.crash) < faults.pause:
            node.paused_until_ns = self.now_ns + int(self.random() * 8_000 * MS)
            self.say(f"{node.name} is paused until {node.paused_until_ns / 1e9:.3f} s")
        elif (draw := draw - faults.pause) < faults.partition:
            node.cut_off = not node.cut_off
            self.say(f"{node.name} is " + ("cut off" if node.cut_off else "connected"))
        elif (draw := draw - faults.partition) < faults.outage:
            self.outage_until_ns = self.now_ns + int(self.random() * 6_000 * MS)
            self.say(f"the stream has no leader until {self.outage_until_ns / 1e9:.3f} s")
        elif (draw := draw - faults.outage) < faults.clock_jump:
            node.offset_ns += int(self.random() * 5_000 * MS)
            self.say(f"the clock of {node.name} jumps")
        elif (draw := draw - faults.clock_jump) < faults.corrupt_core:
            node.corrupt = node.primary is None and not self.corrupt_nodes
        elif (draw := draw - faults.corrupt_core) < faults.promoted and node.standby is not None:
            self.say(f"{node.name} is ordered to lead")
            node.do(node.standby.promote(node.now_ns()))
        elif (draw := draw - faults.promoted) < faults.planned and node.primary is not None:
            self.say(f"{node.name} is ordered to hand over")
            node.do(node.primary.hand_over(node.now_ns()))
        else:
            self.injected = before

    # The end of a history.

    def heal(self) -> None:
        """Everything works from here on; each node that has stopped is started again."""
        self.faults = self.stream.faults = Faults()
        self.outage_until_ns, self.step_ns, self.shares = 0, STEP_NS[0], SHARES[0]
        for node in self.nodes:
            node.paused_until_ns, node.cut_off, node.corrupt = 0, False, False
            if node.index in self.corrupt_nodes and node.up:
                node.crash(torn=False)
        goal = len(self.truth) + 3
        for _ in range(HEAL_STEPS):
            self.step()
            if self.halted:
                self._start_again()
            if len(self.truth) >= goal:
                self.quiet = True
                if self._together():
                    return
        raise Violation(
            f"after all was healed the venue did not trade on: {len(self.truth) - 1} commands, "
            f"{[self._state_of(n) for n in self.nodes]}"
        )

    def _start_again(self) -> None:
        """Start what has stopped for good again, as a new process."""
        self.halted = False
        for node in self.nodes:
            if node.up and _has_stopped(node.machine):
                if self.corrupted_ever:
                    # An operator has looked whose core was wrong; what it said stays there.
                    node.trusted = len(self.stream.log)
                node.crash(torn=False)
                node.start()

    def _state_of(self, node: Node) -> str:
        machine = node.machine
        name = "down" if machine is None else type(machine).__name__
        return f"{node.name} {name} at block {len(node.blocks)}"

    def _together(self) -> bool:
        """One primary, and all others have applied all that was released, and nothing else."""
        leaders = [n for n in self.nodes if n.primary is not None and not n.primary.stopped]
        if len(leaders) != 1 or leaders[0].primary is None:
            return False
        if leaders[0].primary.tip.next_block != len(leaders[0].blocks):
            return False
        return all(
            n is leaders[0]
            or (
                n.standby is not None
                and n.standby.tail_checked
                and n.standby.applied_tip.live_position == leaders[0].primary.tip.live_position
            )
            for n in self.nodes
        )

    def judge(self) -> None:
        """One chain holds all that was released, each command once, and every node has it."""
        tip, commands, core = Tip(), [0], 0
        cores = [0]
        for message in self.stream.log:
            verdict = judge(tip, message)
            if verdict == Verdict.DEAD:
                self.dead += 1
                tip = passed(tip, message.position)
                continue
            if verdict != Verdict.LIVE:
                raise Violation(f"message {message.position} of the stream is {verdict.name}")
            tip = extended(tip, message)
            for command in message.blocks.data or ():
                commands.append(command)
                core = hash((core, command))
                cores.append(core)
        if len(set(commands)) != len(commands):
            raise Violation("a command is in the journal twice")
        for seq, acknowledged in enumerate(self.truth):
            if seq >= len(commands) or acknowledged != (commands[seq], cores[seq]):
                raise Violation(f"command {seq} was acknowledged, and the stream has another")
        for node in self.nodes:
            held = [command for block in node.blocks for command in block]
            if held != commands[1:] or node.core != core:
                raise Violation(f"{node.name} holds another journal, or another core")


def _has_stopped(machine: Any) -> bool:
    return bool(getattr(machine, "stopped", "") or getattr(machine, "reason", ""))


def _command_at(node: Node, seq: int) -> int:
    at = 0
    for block in node.blocks:
        if seq <= at + len(block):
            return block[seq - at - 1]
        at += len(block)
    raise Violation(f"{node.name} releases command {seq}, which its journal does not have")


def run_history(seed: int, trace: Callable[[str], None] | None = None) -> World:
    """One history; raises :class:`Violation`."""
    world = World(seed, trace)
    step, random, odds = world.step, world.random, world.faults.injected / 1000
    for _ in range(FAULTY_STEPS):
        step()
        if random() < odds:
            world.inject()
    world.heal()
    world.judge()
    return world


def simulate(
    seeds: Iterator[int] | range,
    progress: Callable[[Findings], None] | None = None,
    every: int = 1000,
) -> Findings:
    """Many histories; ``progress`` is called after ``every`` of them."""
    findings = Findings()
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE)
    try:
        _simulate(findings, seeds, progress, every)
    finally:
        gc.set_threshold(*before)
    return findings


def _simulate(
    findings: Findings,
    seeds: Iterator[int] | range,
    progress: Callable[[Findings], None] | None,
    every: int,
) -> None:
    for seed in seeds:
        try:
            world = run_history(seed)
        except (Violation, AssertionError, KeyError, IndexError) as error:
            findings.violations.append((seed, f"{type(error).__name__}: {error}"))
        else:
            findings.steps += world.steps
            findings.released += len(world.truth) - 1
            findings.promotions += world.promotions
            findings.faults += world.injected
            findings.dead_messages += world.dead
        findings.histories += 1
        if progress is not None and findings.histories % every == 0:
            progress(findings)
