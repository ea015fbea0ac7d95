"""Bugs planted in the protocol, one at a time, by replacing the piece that prevents them."""

from contextlib import contextmanager

from openoutcry.replica import standby
from openoutcry.replica.actions import Publish, Release
from openoutcry.replica.chain import Verdict, judge
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.local import Plan
from openoutcry.replica.message import Kind
from openoutcry.replica.primary import Primary
from openoutcry.replica.standby import Role, Standby
from tests.support.replica import simulated_node, simulator
from tests.support.replica.simulated_stream import SimulatedStream, simulated_seal


@contextmanager
def replaced(*changes):
    """Each change: (owner, name, maker of the new from the old)."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, make in changes:
        setattr(owner, name, make(getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, old in before:
            setattr(owner, name, old)


def _unfenced(publish):
    def bug(self, message, expected):
        return publish(self, message, len(self.log))

    return bug


def _acknowledges_early(send):
    def bug(self, *arguments):
        actions = send(self, *arguments)
        return [*actions, Release(self.in_flight[-1].blocks.last_seq, self.lease_holder.until_ns)]

    return bug


def _leads_without_epoch_message(has_lease):
    def bug(self, now_ns):
        self.tip = self.tip._replace(epoch=self.lease_holder.lease.epoch)
        return self._lead(now_ns)

    return bug


def _endless(release):
    def bug(self):
        actions = release(self)
        return [Release(a.seq, 2**62) if isinstance(a, Release) else a for a in actions]

    return bug


def _counts_from_answer(lease_written):
    def bug(self, now_ns, lease, revision):
        self.lease_holder._sent[lease.nonce] = now_ns + self.timing.lease_ns
        return lease_written(self, now_ns, lease, revision)

    return bug


def _never_waits(free):
    def bug(self, now_ns):
        lease = self._lease
        return self._seen_ns >= 0 and (lease is None or lease.position <= self.tip.position)

    return bug


def _refusal_is_success(refused):
    def bug(self, now_ns, message, last):
        if not self.stopped and last >= message.position:
            return self.acknowledged(now_ns, message)
        return refused(self, now_ns, message, last)

    return bug


def _refusal_is_defeat(refused):
    def bug(self, now_ns, message, last):
        if self.stopped or not any(m.hash == message.hash for m in self.in_flight):
            return []
        return self._stop("refused")

    return bug


def _dead_count(_):
    def bug(tip, message):
        verdict = judge(tip, message)
        if verdict == Verdict.DEAD and message.kind == Kind.BLOCKS:
            return Verdict.LIVE
        return verdict

    return bug


def _dead_is_damage(_):
    def bug(tip, message):
        verdict = judge(tip, message)
        return Verdict.BROKEN if verdict == Verdict.DEAD else verdict

    return bug


def _careless(again):
    def bug(self, now_ns, position):
        actions = again(self, now_ns, position)
        self._careful = False
        return self._publish() if actions else actions

    return bug


def _gap_is_nothing(_):
    def bug(tip, message):
        verdict = judge(tip, message)
        return Verdict.LIVE if verdict == Verdict.AHEAD else verdict

    return bug


def _unpacks_damage(_):
    def bug(message, position):
        return message._replace(position=position)

    return bug


def _goes_on_behind_another(fetched):
    def bug(self, now_ns, position, message):
        if message is not None and position == self.tip.position + 1:
            mine = self.in_flight and message.hash == self.in_flight[0].hash
            if not mine and judge(self.tip, message) == Verdict.LIVE:
                return self._again(now_ns, position)
        return fetched(self, now_ns, position, message)

    return bug


def _keeps_its_epoch(claim):
    def bug(self, now_ns):
        actions = claim(self, now_ns)
        if actions and self.tip.epoch:
            lease = self.lease_holder.lease._replace(epoch=self.tip.epoch)
            self.lease_holder.lease = lease
            return [actions[0]._replace(lease=lease)]
        return actions

    return bug


def _fences_blindly(refused):
    def bug(self, now_ns, message, last):
        if self.role == Role.FENCING and last > self.tip.position:
            moved = message._replace(position=last + 1, previous_position=last)
            self._epoch_message = simulated_seal(moved)
            return [Publish(self._epoch_message)]
        return refused(self, now_ns, message, last)

    return bug


def _writes_over(write_lease):
    def bug(self, lease, revision):
        return write_lease(self, lease, self.revision)

    return bug


def _never_compares(compare):
    return lambda self: ""


def _applies_again(_):
    def bug(tip, message):
        if message.position <= tip.position:
            return Verdict.LIVE
        return judge(tip, message)

    return bug


def _never_cuts(plan):
    def bug(held, hash_of, message, hashes):
        return Plan(None, plan(held, hash_of, message, hashes).skip)

    return bug


def _keeps_its_tail(settle):
    def bug(self):
        self.tail_checked = True
        return []

    return bug


def _any_answer_counts(acknowledged):
    def bug(self, now_ns, message):
        if not self.stopped and any(m.hash == message.hash for m in self.in_flight):
            for other in self.in_flight:
                self._acked.add(other.hash)
                if other.hash == message.hash:
                    break
        return acknowledged(self, now_ns, message)

    return bug


def _forgets_the_last(read_on):
    return lambda self, now_ns: []


def _is_its_predecessor(_):
    return lambda node, process: f"{node}/0"


def _takes_back(seen):
    def bug(self, now_ns, lease, revision):
        if lease is not None and revision > self.revision:
            self.revision = revision
        return None

    return bug


PLANTED = {
    "no fence: published without the expected last sequence": [
        (SimulatedStream, "publish", _unfenced)
    ],
    "released when sent, not when acknowledged": [(Primary, "_send", _acknowledges_early)],
    "leads without an epoch message": [(Standby, "_has_lease", _leads_without_epoch_message)],
    "releases after its lease": [(Primary, "_release", _endless)],
    "counts its lease from the answer": [(Primary, "lease_written", _counts_from_answer)],
    "takes the lease without waiting for its end": [(Standby, "_free", _never_waits)],
    "takes error 10071 for its own success": [(Primary, "refused", _refusal_is_success)],
    "takes error 10071 for another's": [(Primary, "refused", _refusal_is_defeat)],
    "dead messages count": [(standby, "judge", _dead_count)],
    "dead messages are taken for damage": [(standby, "judge", _dead_is_damage)],
    "sends its whole window again at once": [(Primary, "_again", _careless)],
    "a gap is passed over": [(standby, "judge", _gap_is_nothing)],
    "what is read is not checked": [(simulator, "simulated_unpack", _unpacks_damage)],
    "goes on behind another's epoch message": [(Primary, "fetched", _goes_on_behind_another)],
    "claims under the epoch that there is": [(Standby, "_claim", _keeps_its_epoch)],
    "its epoch message jumps over what it has not read": [(Standby, "refused", _fences_blindly)],
    "the lease is written over, whoever has it": [(SimulatedStream, "write_lease", _writes_over)],
    "cores are not compared": [(Standby, "_compare", _never_compares)],
    "what comes twice is applied twice": [(standby, "judge", _applies_again)],
    "an old primary's tail is not cut off": [(simulated_node, "plan", _never_cuts)],
    "a tail stays when another leads": [(Standby, "_cut_tail", _keeps_its_tail)],
    "an answer counts for all that was sent before": [
        (Primary, "acknowledged", _any_answer_counts)
    ],
    "does not look for the stream's last message": [(Standby, "_read_on", _forgets_the_last)],
    "a restarted process takes its predecessor's lease for its own": [
        (simulated_node, "holder_of", _is_its_predecessor)
    ],
    "does not notice that another has the lease": [(LeaseHolder, "seen", _takes_back)],
}
"""Each bug in words, and how it is planted."""

FOUND_AT = {
    "releases after its lease": 66,
    "counts its lease from the answer": 1613,
    "what is read is not checked": 24,
    "goes on behind another's epoch message": 1076,
    "a restarted process takes its predecessor's lease for its own": 12792,
}
"""A seed from which on a history shows it soon; the others show in the first few."""
