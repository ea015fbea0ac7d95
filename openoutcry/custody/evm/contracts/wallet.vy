# pragma version 0.4.3
# pragma evm-version cancun
"""
@title  A wallet that two of three owners move together
@notice The owners sign a batch of payments outside the chain (EIP-712).  Anyone may bring the
        signed batch to the chain and pays its gas.  A batch has a number: each number is used
        once, in order.  A payment that its receiver or token refuses is recorded as failed, and
        the others of its batch are made.
"""

struct Payment:
    token: address  # the zero address: the chain's own coin
    to: address
    amount: uint256

struct Signature:
    v: uint8
    r: uint256
    s: uint256

event Received:
    sender: indexed(address)
    amount: uint256

event Executed:
    number: indexed(uint256)
    digest: bytes32
    failed: uint256

event Paid:
    number: indexed(uint256)
    token: indexed(address)
    to: indexed(address)
    index: uint256
    amount: uint256

event Failed:
    number: indexed(uint256)
    token: indexed(address)
    to: indexed(address)
    index: uint256
    amount: uint256

event OwnerReplaced:
    number: indexed(uint256)
    old: indexed(address)
    new: indexed(address)

OWNERS: constant(uint256) = 3
MAX_PAYMENTS: constant(uint256) = 200
# Half of the group's order: a larger s is the other writing of the same signature.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
# What a receiver, and a token, may use.
COIN_GAS: constant(uint256) = 50_000
TOKEN_GAS: constant(uint256) = 150_000
# What a call with value to a new account costs its caller, and what comes after the call.
CALL_GAS: constant(uint256) = 60_000

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
NAME: constant(bytes32) = keccak256("Open Outcry custody")
VERSION: constant(bytes32) = keccak256("1")
PAYMENT_TYPE: constant(bytes32) = keccak256("Payment(address token,address to,uint256 amount)")
BATCH_TYPE: constant(bytes32) = keccak256("Batch(uint256 number,uint256 deadline,Payment[] payments)Payment(address token,address to,uint256 amount)")
REPLACE_TYPE: constant(bytes32) = keccak256("ReplaceOwner(uint256 number,uint256 deadline,address old,address new)")

# The number of the next batch.
number: public(uint256)
owners: public(address[OWNERS])


@deploy
def __init__(owners: address[OWNERS]):
    last: address = empty(address)
    for owner: address in owners:
        # Sorted, so that they differ, and none is the zero address.
        assert convert(owner, uint160) > convert(last, uint160), "owners: not ascending"
        last = owner
    self.owners = owners


@external
@payable
def __default__():
    """
    @notice Take coins.  It fits into the 2,300 gas of a plain transfer.
    """
    log Received(sender=msg.sender, amount=msg.value)


@view
@internal
def _digest(content: bytes32) -> bytes32:
    # The chain's number is read each time: after a split of the chain a signature is good on one side.
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))
    return keccak256(concat(b"\x19\x01", domain, content))


@view
@internal
def _batch_digest(number: uint256, deadline: uint256, payments: DynArray[Payment, MAX_PAYMENTS]) -> bytes32:
    hashes: DynArray[bytes32, MAX_PAYMENTS] = []
    for payment: Payment in payments:
        hashes.append(keccak256(abi_encode(PAYMENT_TYPE, payment.token, payment.to, payment.amount)))
    # EIP-712 hashes the elements without the offset and the length before them.
    listed: bytes32 = keccak256(slice(abi_encode(hashes), 64, 32 * len(hashes)))
    return self._digest(keccak256(abi_encode(BATCH_TYPE, number, deadline, listed)))


@view
@internal
def _check(number: uint256, deadline: uint256, digest: bytes32, signatures: Signature[2]):
    assert number == self.number, "number: not the next"
    assert block.timestamp <= deadline, "deadline: passed"
    last: address = empty(address)
    for signature: Signature in signatures:
        assert signature.s <= MAX_S, "signature: high s"
        signer: address = ecrecover(digest, signature.v, signature.r, signature.s)
        assert convert(signer, uint160) > convert(last, uint160), "signatures: not ascending"
        assert signer in self.owners, "signature: not an owner's"
        last = signer


@internal
def _pay(payment: Payment) -> bool:
    """
    @return Whether the receiver has it.
    """
    if payment.token == empty(address):
        self._require_gas(COIN_GAS)
        return raw_call(payment.to, b"", value=payment.amount, gas=COIN_GAS, revert_on_failure=False)
    if not payment.token.is_contract:
        return False
    self._require_gas(TOKEN_GAS)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        payment.token,
        abi_encode(payment.to, payment.amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        gas=TOKEN_GAS,
        revert_on_failure=False,
    )
    if not success:
        return False
    # Some tokens answer nothing; others answer whether they did it.
    return len(answer) == 0 or (len(answer) == 32 and convert(answer, uint256) == 1)


@view
@internal
def _require_gas(wanted: uint256):
    # Whoever brings the batch may not let a payment fail by bringing too little gas.
    assert msg.gas - msg.gas // 64 >= wanted + CALL_GAS, "gas: too little"


@external
@nonreentrant
def execute(
    number: uint256,
    deadline: uint256,
    payments: DynArray[Payment, MAX_PAYMENTS],
    signatures: Signature[2],
):
    """
    @notice Make the payments of a batch that two owners have signed.
    @param number The batch's, which must be the wallet's next
    @param deadline The last second, by the block's time, at which it may be made
    @param signatures Of two owners, ascending by their addresses
    """
    digest: bytes32 = self._batch_digest(number, deadline, payments)
    self._check(number, deadline, digest, signatures)
    self.number = number + 1
    failed: uint256 = 0
    for index: uint256 in range(len(payments), bound=MAX_PAYMENTS):
        payment: Payment = payments[index]
        if self._pay(payment):
            log Paid(number=number, token=payment.token, to=payment.to, index=index, amount=payment.amount)
        else:
            failed += 1
            log Failed(number=number, token=payment.token, to=payment.to, index=index, amount=payment.amount)
    log Executed(number=number, digest=digest, failed=failed)


@external
@nonreentrant
def replace_owner(number: uint256, deadline: uint256, old: address, new: address, signatures: Signature[2]):
    """
    @notice Give an owner's place to another key, as two owners have signed.  It uses up a number,
            as a batch does.
    """
    digest: bytes32 = self._digest(keccak256(abi_encode(REPLACE_TYPE, number, deadline, old, new)))
    self._check(number, deadline, digest, signatures)
    self.number = number + 1
    assert new != empty(address), "new: the zero address"
    assert new not in self.owners, "new: an owner already"
    found: bool = False
    for index: uint256 in range(OWNERS):
        if self.owners[index] == old:
            self.owners[index] = new
            found = True
    assert found, "old: not an owner"
    log OwnerReplaced(number=number, old=old, new=new)


@view
@external
def batch_digest(number: uint256, deadline: uint256, payments: DynArray[Payment, MAX_PAYMENTS]) -> bytes32:
    """
    @return What the owners sign for a batch.
    """
    return self._batch_digest(number, deadline, payments)
