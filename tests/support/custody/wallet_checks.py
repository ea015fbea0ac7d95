"""What the wallet's contract must do, as functions that the tests and the mutation run call.

Each takes a :class:`World`: a new wallet on a node.  It raises AssertionError when the contract
does something else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from openoutcry.custody.evm.contracts import (
    COIN,
    EXECUTE,
    MAX_PAYMENTS,
    NUMBER,
    OWNER_AT,
    Batch,
    Domain,
    OwnerReplacement,
    Payment,
    balance_call,
    creation_code,
    outcome,
)
from openoutcry.custody.evm.encoding import (
    NO_ADDRESS,
    from_hex,
    number_at,
    selector,
    to_hex,
    topic,
    word,
    words,
)
from openoutcry.custody.evm.node import RpcError
from openoutcry.custody.evm.transactions import ORDER, Signature
from tests.support.custody.anvil import CHAIN_ID, ETHER, Anvil
from tests.support.custody.compile_contracts import helper_code
from tests.support.custody.keys import LocalKey, high_s, sorted_keys

FAR = 2**40
"""A deadline that never comes."""
GAS = 4_000_000
Check = Callable[["World"], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


@cache
def helper(name: str) -> bytes:
    return helper_code(name)


@dataclass
class World:
    """A wallet with 100 coins, three owners and a stranger."""

    chain: Anvil
    wallet_code: bytes
    """Creation code without the constructor's arguments."""
    owners: list[LocalKey] = field(default_factory=lambda: sorted_keys("one", "two", "three"))
    stranger: LocalKey = field(default_factory=lambda: LocalKey("stranger"))
    wallet: bytes = b""
    domain: Domain = field(default_factory=lambda: Domain(0, b""))

    def __post_init__(self) -> None:
        owners = words(*(key.address for key in self.owners))
        self.wallet = self.chain.deploy(self.wallet_code + owners)
        self.domain = Domain(CHAIN_ID, self.wallet)
        self.chain.fund(self.wallet, 100 * ETHER)

    def number(self) -> int:
        return number_at(self.chain.view(self.wallet, NUMBER), 0)

    def payment(self, amount: int = ETHER, name: str = "somebody", token: bytes = COIN) -> Payment:
        return Payment(token, LocalKey(name).address, amount)

    def batch(self, *payments: Payment, number: int | None = None, deadline: int = FAR) -> Batch:
        return Batch(self.number() if number is None else number, deadline, payments)

    def signatures(self, batch: Any, *signers: LocalKey) -> list[Signature]:
        """Return signatures of the first two owners unless others are named, in that order."""
        digest = batch.digest(self.domain)
        return [key.sign(digest) for key in signers or self.owners[:2]]

    def call(self, batch: Batch, signatures: Sequence[Signature]) -> bytes:
        """With the signatures as they are: the product's own would sort and check them."""
        listed = b"".join(words(one.token, one.to, one.amount) for one in batch.payments)
        two = b"".join(words(one.v, one.r, one.s) for one in signatures)
        head = words(batch.number, batch.deadline, 9 * 32) + two
        return EXECUTE + head + word(len(batch.payments)) + listed

    def execute(self, batch: Batch, gas: int = GAS, *signers: LocalKey) -> dict[str, Any]:
        receipt = self.chain.transact(
            self.wallet, self.call(batch, self.signatures(batch, *signers)), gas=gas
        )
        assert int(receipt["status"], 16) == 1, "the batch was refused"
        return receipt

    def refused(self, call: bytes, why: str) -> None:
        """The call fails for a reason, and as a transaction changes nothing."""
        before = (self.number(), self.chain.balance(self.wallet))
        reason = self.reason(call)
        assert why in reason, f"wanted: {why}; was: {reason or 'not refused'}"
        receipt = self.chain.transact(self.wallet, call, gas=GAS)
        assert int(receipt["status"], 16) == 0
        assert (self.number(), self.chain.balance(self.wallet)) == before

    def reason(self, call: bytes) -> str:
        """Why a call fails; empty: it does not."""
        asked = {"to": to_hex(self.wallet), "data": to_hex(call), "gas": hex(GAS)}
        try:
            self.chain.node.call("eth_call", asked, "latest")
        except RpcError as error:
            return error.message
        return ""

    def refused_batch(self, batch: Batch, signatures: Sequence[Signature], why: str) -> None:
        self.refused(self.call(batch, signatures), why)

    def outcome(
        self, receipt: dict[str, Any], number: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        found = outcome(self.wallet, number, receipt["logs"])
        assert found is not None, "the batch left no log"
        return found.paid, found.failed

    def replace_owner(self, asked: OwnerReplacement, *signers: LocalKey) -> bytes:
        digest = asked.digest(self.domain)
        signed = [key.sign(digest) for key in signers or self.owners[:2]]
        head = selector("replace_owner(uint256,uint256,address,address,(uint8,uint256,uint256)[2])")
        two = b"".join(words(one.v, one.r, one.s) for one in signed)
        return head + words(asked.number, asked.deadline, asked.old, asked.new) + two

    def owner_addresses(self) -> list[bytes]:
        return [self.chain.view(self.wallet, OWNER_AT + word(place))[12:] for place in range(3)]

    def odd_token(
        self, answer: bytes = word(1), refuses: bool = False, burns: bool = False
    ) -> bytes:
        token = self.chain.deploy(helper("odd_token"))
        self.set_up_token(token, answer, refuses, burns)
        mint = selector("mint(address,uint256)") + words(self.wallet, 1000)
        self.chain.transact(token, mint)
        return token

    def set_up_token(self, token: bytes, answer: bytes, refuses: bool, burns: bool) -> None:
        head = selector("set_up(bytes,bool,bool)")
        body = words(96, int(refuses), int(burns), len(answer)) + answer.ljust(
            -(-len(answer) // 32) * 32, b"\0"
        )
        receipt = self.chain.transact(token, head + body)
        assert int(receipt["status"], 16) == 1

    def token_balance(self, token: bytes, holder: bytes) -> int:
        return number_at(self.chain.view(token, balance_call(holder)), 0)

    def hostile(
        self,
        refuses: bool = False,
        burns: bool = False,
        target: bytes = NO_ADDRESS,
        call: bytes = b"",
    ) -> bytes:
        made = self.chain.deploy(helper("hostile"))
        # Its words are in use before it is paid: a first store would cost more than it gets.
        self.chain.transact(made, value=1, sender=1)
        self.set_up_hostile(made, False, False, self.wallet, b"")
        self.chain.transact(made, value=1, sender=1, gas=500_000)
        self.set_up_hostile(made, refuses, burns, target, call)
        return made

    def set_up_hostile(
        self, hostile: bytes, refuses: bool, burns: bool, target: bytes, call: bytes
    ) -> None:
        head = selector("set_up(bool,bool,address,bytes)")
        body = words(int(refuses), int(burns), target, 128, len(call))
        padded = call.ljust(-(-len(call) // 32) * 32, b"\0")
        receipt = self.chain.transact(hostile, head + body + padded)
        assert int(receipt["status"], 16) == 1

    def got_in(self, hostile: bytes) -> int:
        return number_at(self.chain.view(hostile, selector("got_in()")), 0)

    def last_gas(self, contract: bytes) -> int:
        return number_at(self.chain.view(contract, selector("last_gas()")), 0)


# What it does


@check
def two_owners_pay_coins(world: World) -> None:
    """Every pair of owners; the receiver has the amount, and the log says so."""
    for place, pair in enumerate(((0, 1), (0, 2), (1, 2))):
        batch = world.batch(world.payment(place + 1, f"receiver {place}"))
        receipt = world.execute(batch, GAS, *(world.owners[one] for one in pair))
        assert world.outcome(receipt, place) == ((0,), ())
        assert world.chain.balance(batch.payments[0].to) == place + 1
        assert world.number() == place + 1


@check
def the_log_has_every_value(world: World) -> None:
    """Topics and data of all events of a batch, word by word."""
    odd = world.odd_token()
    refusing = world.hostile(refuses=True)
    world.execute(world.batch())
    batch = world.batch(
        world.payment(7, "first"), Payment(COIN, refusing, 8), world.payment(9, "third", odd)
    )
    receipt = world.execute(batch)
    logs = [one for one in receipt["logs"] if from_hex(one["address"]) == world.wallet]
    paid, failed = (
        topic(f"{name}(uint256,address,address,uint256,uint256)") for name in ("Paid", "Failed")
    )
    expected = [
        ([paid, word(1), word(COIN), word(batch.payments[0].to)], words(0, 7)),
        ([failed, word(1), word(COIN), word(refusing)], words(1, 8)),
        ([paid, word(1), word(odd), word(batch.payments[2].to)], words(2, 9)),
        (
            [topic("Executed(uint256,bytes32,uint256)"), word(1)],
            words(batch.digest(world.domain), 1),
        ),
    ]
    assert [
        ([from_hex(one) for one in log["topics"]], from_hex(log["data"])) for log in logs
    ] == expected


@check
def coins_come_in_with_a_log(world: World) -> None:
    receipt = world.chain.transact(world.wallet, value=5, sender=2)
    log = receipt["logs"][0]
    assert [from_hex(one) for one in log["topics"]] == [
        topic("Received(address,uint256)"),
        word(world.chain.accounts[2]),
    ]
    assert from_hex(log["data"]) == word(5)


@check
def coins_come_in_with_the_gas_of_a_plain_transfer(world: World) -> None:
    """A contract that sends with 2,300 gas reaches the wallet."""
    sender = world.hostile()
    call = selector("forward(address,bool)") + words(world.wallet, 1)
    receipt = world.chain.transact(sender, call, value=3)
    assert int(receipt["status"], 16) == 1
    assert world.chain.balance(world.wallet) == 100 * ETHER + 3


@check
def the_digest_is_the_one_that_is_signed(world: World) -> None:
    """``batch_digest`` of the contract, for none, one and several payments, equals the
    product's."""
    for count in (0, 1, 3, 17):
        batch = world.batch(*(world.payment(at + 1, f"n{at}") for at in range(count)), number=5)
        call = world.call(batch, world.signatures(batch))
        head = selector("batch_digest(uint256,uint256,(address,address,uint256)[])")
        body = call[4:]
        asked = head + body[:64] + word(96) + body[9 * 32 :]
        assert world.chain.view(world.wallet, asked) == batch.digest(world.domain)


@check
def an_empty_batch_uses_its_number_up(world: World) -> None:
    receipt = world.execute(world.batch())
    assert world.outcome(receipt, 0) == ((), ())
    assert world.number() == 1


@check
def the_largest_batch_is_paid(world: World) -> None:
    payments = [world.payment(1, f"receiver {one}") for one in range(MAX_PAYMENTS)]
    receipt = world.execute(world.batch(*payments), gas=29_000_000)
    assert world.outcome(receipt, 0) == (tuple(range(MAX_PAYMENTS)), ())
    one_more = world.batch(*payments, world.payment(1))
    call = world.call(one_more, world.signatures(one_more))
    assert int(world.chain.transact(world.wallet, call, gas=29_000_000)["status"], 16) == 0


@check
def a_batch_may_be_made_until_its_deadline(world: World) -> None:
    """In the very second, and not in the next."""
    now = int(world.chain.node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    batch = world.batch(world.payment(), deadline=now + 100)
    world.chain.node.call("evm_setNextBlockTimestamp", now + 100)
    world.execute(batch)
    late = world.batch(world.payment(), deadline=now + 100)
    world.chain.node.call("evm_setNextBlockTimestamp", now + 101)
    receipt = world.chain.transact(world.wallet, world.call(late, world.signatures(late)), gas=GAS)
    assert int(receipt["status"], 16) == 0
    world.refused_batch(late, world.signatures(late), "deadline: passed")


# Who may not


@check
def a_batch_is_made_once(world: World) -> None:
    batch = world.batch(world.payment())
    world.execute(batch)
    world.refused_batch(batch, world.signatures(batch), "number: not the next")


@check
def numbers_come_in_order(world: World) -> None:
    """Neither a later nor an earlier one."""
    world.execute(world.batch())
    for number in (0, 2, 2**256 - 1):
        batch = world.batch(world.payment(), number=number)
        world.refused_batch(batch, world.signatures(batch), "number: not the next")


@check
def a_signature_for_another_chain_is_refused(world: World) -> None:
    batch = world.batch(world.payment())
    signed = [
        key.sign(batch.digest(Domain(CHAIN_ID + 1, world.wallet))) for key in world.owners[:2]
    ]
    world.refused_batch(batch, signed, "signature")


@check
def a_signature_for_another_wallet_is_refused(world: World) -> None:
    """With the same owners."""
    batch = world.batch(world.payment())
    other = world.chain.deploy(world.wallet_code + words(*(key.address for key in world.owners)))
    signed = [key.sign(batch.digest(Domain(CHAIN_ID, other))) for key in world.owners[:2]]
    world.refused_batch(batch, signed, "signature")


@check
def one_owner_is_not_enough(world: World) -> None:
    """Alone twice, or with a stranger on either side."""
    batch = world.batch(world.payment())
    digest = batch.digest(world.domain)
    signed = world.owners[1].sign(digest)
    world.refused_batch(batch, [signed, signed], "signatures: not ascending")
    world.refused_batch(batch, [signed, high_s(signed)], "signature: high s")
    both = sorted([world.owners[1], world.stranger], key=lambda key: key.address)
    world.refused_batch(batch, [key.sign(digest) for key in both], "signature: not an owner's")
    others = sorted([LocalKey("x"), world.stranger], key=lambda key: key.address)
    world.refused_batch(batch, [key.sign(digest) for key in others], "signature: not an owner's")


@check
def strangers_on_both_sides_of_an_owner_are_refused(world: World) -> None:
    batch = world.batch(world.payment())
    digest = batch.digest(world.domain)
    for owner in world.owners:
        low, high = _neighbours(owner)
        world.refused_batch(
            batch, [low.sign(digest), owner.sign(digest)], "signature: not an owner's"
        )
        world.refused_batch(
            batch, [owner.sign(digest), high.sign(digest)], "signature: not an owner's"
        )


@cache
def _neighbours(owner: LocalKey) -> tuple[LocalKey, LocalKey]:
    made = [LocalKey(f"stranger {one}") for one in range(64)]
    return (
        next(key for key in made if key.address < owner.address),
        next(key for key in made if key.address > owner.address),
    )


@check
def signatures_must_ascend(world: World) -> None:
    batch = world.batch(world.payment())
    signed = world.signatures(batch, world.owners[1], world.owners[0])
    world.refused_batch(batch, signed, "signatures: not ascending")


@check
def a_high_s_is_refused(world: World) -> None:
    """A high s of the first or of the second signature is refused; the largest low s is
    no reason."""
    batch = world.batch(world.payment())
    first, second = world.signatures(batch)
    world.refused_batch(batch, [high_s(first), second], "signature: high s")
    world.refused_batch(batch, [first, high_s(second)], "signature: high s")
    for s, why in ((ORDER // 2, "signature"), (ORDER // 2 + 1, "signature: high s")):
        odd = replace(first, s=s)
        call = world.call(batch, [odd, second])
        reason = world.reason(call)
        assert why in reason
        assert ("high s" in reason) == (s > ORDER // 2), reason


@check
def a_signature_of_no_key_is_refused(world: World) -> None:
    """The zero address is no owner, and nothing recovers to it."""
    batch = world.batch(world.payment())
    first, second = world.signatures(batch)
    for broken in (replace(first, r=0), replace(first, s=0), replace(first, r=ORDER)):
        world.refused_batch(batch, [broken, second], "signatures: not ascending")
    for v in (0, 1, 26, 29, 255):
        odd = replace(first, parity=v - 27) if v >= 27 else Signature(v - 27, first.r, first.s)
        world.refused_batch(batch, [odd, second], "signatures: not ascending")


@check
def every_field_is_signed(world: World) -> None:
    """Signatures are for these payments, this number, this deadline."""
    base = world.batch(world.payment(5, "a"), world.payment(6, "b"))
    signed = world.signatures(base)
    first, second = base.payments
    token = world.odd_token()
    for changed in (
        (second, first),
        (first,),
        (first, second, second),
        (replace(first, amount=6), second),
        (replace(first, to=second.to), second),
        (replace(first, token=token), second),
        (first, replace(second, amount=7)),
        (),
    ):
        world.refused_batch(replace(base, payments=changed), signed, "signature")
    world.refused_batch(replace(base, deadline=FAR + 1), signed, "signature")


# Receivers and tokens


@check
def a_receiver_that_refuses_fails_alone(world: World) -> None:
    refusing = world.hostile(refuses=True)
    batch = world.batch(world.payment(1, "a"), Payment(COIN, refusing, 2), world.payment(3, "b"))
    receipt = world.execute(batch)
    assert world.outcome(receipt, 0) == ((0, 2), (1,))
    assert world.chain.balance(world.wallet) == 100 * ETHER - 4


@check
def a_receiver_that_burns_gas_fails_alone(world: World) -> None:
    """It has 50,000 and the stipend of 2,300, and the others are paid."""
    burning = world.hostile(burns=True)
    batch = world.batch(Payment(COIN, burning, 2), world.payment(3, "b"))
    receipt = world.execute(batch, 1_000_000)
    assert world.outcome(receipt, 0) == ((1,), (0,))
    assert int(receipt["gasUsed"], 16) < 250_000


@check
def a_receiver_gets_its_gas(world: World) -> None:
    """50,000 and the stipend, less what comes before its first line."""
    taking = world.hostile()
    world.execute(world.batch(Payment(COIN, taking, 2)))
    assert 50_000 < world.last_gas(taking) < 50_200, world.last_gas(taking)


@check
def a_token_gets_its_gas(world: World) -> None:
    token = world.odd_token()
    world.execute(world.batch(world.payment(2, "a", token)))
    assert 140_000 < world.last_gas(token) < 150_000, world.last_gas(token)


@check
def a_payment_beyond_the_balance_fails_alone(world: World) -> None:
    batch = world.batch(world.payment(200 * ETHER, "a"), world.payment(3, "b"))
    assert world.outcome(world.execute(batch), 0) == ((1,), (0,))


@check
def too_little_gas_is_refused_and_lets_no_payment_fail(world: World) -> None:
    """Whatever gas a stranger brings the batch with: it is made whole, or not at all."""
    token = world.odd_token()
    taking = world.hostile()
    for payment in (Payment(COIN, taking, 2), world.payment(1, "a", token)):
        asked = world.batch(payment, payment)
        call = world.call(asked, world.signatures(asked))
        made = refused = 0
        for gas in range(60_000, 420_000, 12_000):
            trial = {"to": to_hex(world.wallet), "data": to_hex(call), "gas": hex(gas)}
            with world.chain.undone():
                receipt = world.chain.transact(world.wallet, call, gas=gas)
                if int(receipt["status"], 16) == 1:
                    made += 1
                    assert world.outcome(receipt, asked.number) == ((0, 1), ()), (gas, trial)
                else:
                    refused += 1
        assert made, "never made"
        assert refused, "never refused"


@check
def the_gas_that_is_left_is_what_a_receiver_may_use(world: World) -> None:
    """With just enough gas for the batch, a receiver still has all of its share."""
    taking = world.hostile()
    token = world.odd_token()
    for payment, contract, least in (
        (Payment(COIN, taking, 2), taking, 50_000),
        (world.payment(1, "a", token), token, 140_000),
    ):
        batch = world.batch(payment)
        call = world.call(batch, world.signatures(batch))
        low, high = 60_000, 600_000
        while high - low > 50:
            middle = (low + high) // 2
            with world.chain.undone():
                receipt = world.chain.transact(world.wallet, call, gas=middle)
                succeeded = int(receipt["status"], 16) == 1
                if succeeded:
                    assert world.last_gas(contract) >= least, (middle, world.last_gas(contract))
            low, high = (low, middle) if succeeded else (middle, high)
        share = least if contract == taking else 150_000
        # What is asked for is the share, 1/63 more, and 60,000 for the call itself.
        assert high > share + 60_000 + (share + 60_000) // 63, high
        assert high < share + 160_000, high


@check
def no_receiver_gets_in_again(world: World) -> None:
    """Two owners have signed the next batch and a change of owners; while the first pays, neither
    can be made.  The receiver uses so little gas that it could make them without the lock."""
    following = world.batch(number=world.number() + 1)
    call = world.call(following, world.signatures(following))
    change = OwnerReplacement(3, FAR, world.owners[0].address, world.stranger.address)
    for inner, number in ((call, 1), (world.replace_owner(change), 3)):
        padded = inner.ljust(-(-len(inner) // 32) * 32, b"\0")
        code = helper("reentrant") + words(world.wallet, 64, len(inner)) + padded
        taking = world.chain.deploy(code)
        world.execute(world.batch(Payment(COIN, taking, 2)))
        assert world.chain.balance(taking) == 2
        assert world.got_in(taking) == 1, "it came in again"
        assert world.number() == number
        if number == 1:
            world.execute(following)
    assert world.owner_addresses() == [key.address for key in world.owners]


@check
def tokens_are_paid_whatever_they_answer_for_yes(world: World) -> None:
    """True, or nothing at all."""
    for place, answer in enumerate((word(1), b"")):
        token = world.odd_token(answer)
        receipt = world.execute(world.batch(world.payment(10, "a", token)))
        assert world.outcome(receipt, place) == ((0,), ())
        assert world.token_balance(token, LocalKey("a").address) == 10


@check
def a_token_that_does_not_say_yes_has_failed(world: World) -> None:
    """False, two, a short answer, or a refusal; the others of the batch are paid."""
    odd = [
        world.odd_token(word(0)),
        world.odd_token(word(2)),
        world.odd_token(b"\1"),
        world.odd_token(b"\1" + bytes(30)),
        world.odd_token(refuses=True),
        world.odd_token(burns=True),
    ]
    payments = [world.payment(10, f"r{at}", token) for at, token in enumerate(odd)]
    batch = world.batch(*payments, world.payment(4, "last"))
    receipt = world.execute(batch)
    assert world.outcome(receipt, 0) == ((6,), (0, 1, 2, 3, 4, 5))


@check
def a_long_answer_counts_by_its_first_word(world: World) -> None:
    token = world.odd_token(word(1) + bytes(64))
    receipt = world.execute(world.batch(world.payment(10, "a", token)))
    assert world.outcome(receipt, 0) == ((0,), ())


@check
def a_token_without_code_has_failed(world: World) -> None:
    """A call to an address without a contract succeeds, and moves nothing."""
    nothing = LocalKey("no contract").address
    receipt = world.execute(world.batch(world.payment(10, "a", nothing)))
    assert world.outcome(receipt, 0) == ((), (0,))


# Owners


@check
def owners_are_three_and_ascending(world: World) -> None:
    assert world.owner_addresses() == [key.address for key in world.owners]
    one, two, three = (key.address for key in world.owners)
    for wrong in ((two, one, three), (one, one, two), (one, two, two), (NO_ADDRESS, one, two)):
        receipt = world.chain.transact(None, world.wallet_code + words(*wrong))
        assert int(receipt["status"], 16) == 0, "a wallet was made with such owners"


@check
def an_owner_can_be_replaced(world: World) -> None:
    """Each place; the old key then signs nothing, and the new one does."""
    for place in range(3):
        old, new = world.owners[place], LocalKey(f"new {place}")
        others = sorted(
            (key for key in world.owners if key is not old), key=lambda key: key.address
        )
        change = OwnerReplacement(world.number(), FAR, old.address, new.address)
        receipt = world.chain.transact(world.wallet, world.replace_owner(change, *others))
        assert int(receipt["status"], 16) == 1
        log = receipt["logs"][0]
        assert [from_hex(one) for one in log["topics"]] == [
            topic("OwnerReplaced(uint256,address,address)"),
            word(change.number),
            word(old.address),
            word(new.address),
        ]
        world.owners[place] = new
        assert world.owner_addresses() == [key.address for key in world.owners]
        pair = sorted([others[0], new], key=lambda key: key.address)
        world.execute(world.batch(world.payment(1)), GAS, *pair)
        pair = sorted([others[0], old], key=lambda key: key.address)
        batch = world.batch(world.payment(1))
        world.refused_batch(batch, world.signatures(batch, *pair), "signature: not an owner's")
        world.owners.sort(key=lambda key: world.owner_addresses().index(key.address))


@check
def an_owner_is_replaced_by_two_owners_only_and_once(world: World) -> None:
    one, new = world.owners[0].address, world.stranger.address
    change = OwnerReplacement(0, FAR, one, new)
    strangers = sorted([LocalKey("x"), world.owners[0]], key=lambda key: key.address)
    world.refused(world.replace_owner(change, *strangers), "signature: not an owner's")
    twice = (world.owners[1], world.owners[1])
    world.refused(world.replace_owner(change, *twice), "signatures: not ascending")
    for wrong, why in (
        (replace(change, number=1), "number: not the next"),
        (replace(change, deadline=1), "deadline: passed"),
        (replace(change, new=NO_ADDRESS), "new: the zero address"),
        (replace(change, new=world.owners[1].address), "new: an owner already"),
        (replace(change, old=LocalKey("nobody").address), "old: not an owner"),
    ):
        world.refused(world.replace_owner(wrong), why)
    call = world.replace_owner(change)
    for changed in (
        replace(change, old=world.owners[2].address),
        replace(change, new=LocalKey("y").address),
        replace(change, deadline=FAR + 1),
    ):
        head, signed = world.replace_owner(changed)[: 4 + 4 * 32], call[4 + 4 * 32 :]
        world.refused(head + signed, "signature")
    assert int(world.chain.transact(world.wallet, call)["status"], 16) == 1
    assert world.number() == 1
    world.refused(call, "number: not the next")


@check
def a_signature_for_a_batch_replaces_no_owner(world: World) -> None:
    """What is signed says what it is for."""
    change = OwnerReplacement(0, FAR, world.owners[0].address, world.stranger.address)
    batch = world.batch()
    signed = b"".join(words(one.v, one.r, one.s) for one in world.signatures(batch))
    world.refused(world.replace_owner(change)[: 4 + 4 * 32] + signed, "signature")


def product_code() -> bytes:
    return creation_code("wallet")
