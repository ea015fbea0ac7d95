"""receive: a source's commands into its lane, from preloaded input or the packet shim's ports.

Stamps are by the lane's sequence, which is the command's own where there is one lane; of several,
the gateway copies them when it gives the command its sequence.
"""

from openoutcry.dpdk_shim.call import call_poll
from openoutcry.ring.kernels import slot_address
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import StageGroup
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import i64
from openoutcry.wire.memory import (
    copy56,
)
from openoutcry.wire.record_blocks import OrderRecord


class ReceiveContext(StageContext):
    """The receiver's context."""

    preloaded: int = i64("address of the first record", at=152)
    count: int = i64("commands to take at most")
    keeps_rx_ts: int = i64("1: times of receipt are written into the preloaded input")
    rate: int = i64("commands a second, 0: as fast as possible")
    resumed: int = i64("commands of this lane that the journal held when the run resumed it")
    ports: int = i64("1: commands come by the packet shim")
    shim: int = i64("its address, 0 until its ports are open")
    shim_poll: int = i64("and of its function")


def prepare(group: StageGroup, name: str) -> None:
    """Continue after the last command published on the lane, which the slots show."""
    work, contexts = group.work, group.contexts
    lane = work.shared.table[name].writes
    preloaded = work.shared.preloaded.get(lane)
    # A rate limit's verdicts depend on the times at which commands were received: where no journal
    # keeps them, the preloaded input does.
    keeps_times = work.journal is None and work.settings.rate_interval_ns != 0
    words = ReceiveContext.words(
        rate=work.rate,
        count=work.limit,
        resumed=work.shared.resumed_lanes.get(lane, 0),
        keeps_rx_ts=int(keeps_times),
    )
    first = name == work.table.sources[0]
    if preloaded is not None:
        words |= ReceiveContext.words(preloaded=preloaded.segment.address, count=preloaded.count)
    elif not first:
        words |= ReceiveContext.words(count=0)
    if first and work.ports is not None:
        words |= ReceiveContext.words(ports=1)
    contexts.set(name, words)


def opened(group: StageGroup, name: str) -> None:
    """The group's ports are open: take what they bring."""
    assert group.shim is not None
    if name == group.work.table.sources[0]:
        words = ReceiveContext.words(shim=group.shim.address, shim_poll=group.shim.poll_function)
        group.contexts.set(name, words)


@kernel
def put_on_lane(
    context: ReceiveContext, seq: int, source: int, intended_ns: int, now_ns: int
) -> None:
    """Publish one record; its stamps, by the lane's sequence, before it. ``source``: address of the
    record."""
    mask = context.stamp_mask
    context.since[seq & mask] = intended_ns
    context.until[seq & mask] = now_ns
    slot = OrderRecord(slot_address(context.out_ring, context.out_mask, seq))
    copy56(slot, source)
    epoch_offset = context.control.epoch_offset
    slot.rx_ts_ns = now_ns + epoch_offset
    slot.stamp = seq


@kernel
def receive_preloaded(context: ReceiveContext) -> int:
    """Take what is due of the preloaded input.  With a rate, command i is due at first + (i - 1) /
    rate whether or not the pipeline keeps up, and its latency counts from then: no coordinated
    omission."""
    control = context.control
    next_seq = context.next
    if next_seq > context.count or control.stop != 0:
        stage_words.finish(context, next_seq - 1)
        return 0
    if control.go == 0:
        return 0
    wanted = min(stage_words.BURST, context.count - next_seq + 1)
    count = stage_words.free_slots(context, next_seq, wanted)
    if count <= 0:
        return 0
    now = stage_words.now_ns(context)
    first_ns = control.first_ns
    if first_ns == 0:
        first_ns = now
        control.set_first_ns = now
    if context.keeps_rx_ts == 1:
        # Before any of them is published; one that is not due yet gets its own time later.
        rx_ts_ns = now + control.epoch_offset
        for seq in range(next_seq, next_seq + count):
            OrderRecord(context.preloaded + 64 * (seq - 1)).rx_ts_ns = rx_ts_ns
    rate = context.rate
    done = 0
    while done < count:
        seq = next_seq + done
        intended = now
        if rate > 0:
            due = seq - 1 - context.resumed
            intended = first_ns + due * 1_000_000_000 // rate
            if intended > now:
                break
        put_on_lane(context, seq, context.preloaded + 64 * (seq - 1), intended, now)
        done += 1
    if done > 0:
        context.next = next_seq + done
        context.out_ring.published = next_seq + done - 1
    return done


@kernel
def receive_shim(context: ReceiveContext) -> int:
    """Let the packet shim take a burst from each of its ports: it writes slots and stamps itself.

    A device that is gone gives nothing more; the caller's loop asks the shim about that.
    """
    control = context.control
    next_seq = context.next
    left = context.count - next_seq + 1
    if left <= 0 or control.stop != 0:
        stage_words.finish(context, next_seq - 1)
        return 0
    if control.go == 0 or context.shim == 0:
        return 0
    before = stage_words.now_ns(context)
    count = call_poll(context.shim_poll, context.shim, left)
    if count == -1:
        stage_words.finish(context, next_seq - 1)
    if count <= 0:
        return 0
    if control.first_ns == 0:
        control.set_first_ns = before
    context.next = next_seq + count
    return count


@kernel
def step(context: ReceiveContext) -> int:
    """Take orders from the ports, or from the preloaded input; returns how many."""
    if context.ports != 0:
        return receive_shim(context)
    return receive_preloaded(context)
