# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A receiver that refuses coins, burns gas, or calls back
"""

refuses: bool
burns: bool
target: address
call: Bytes[2048]
reached: public(uint256)
got_in: public(uint256)
last_gas: public(uint256)


@external
def set_up(refuses: bool, burns: bool, target: address, call: Bytes[2048]):
    self.refuses = refuses
    self.burns = burns
    self.target = target
    self.call = call


@external
@payable
def __default__():
    assert not self.refuses
    self.last_gas = msg.gas
    if self.burns:
        for round: uint256 in range(1_000_000):
            self.reached = round
    if self.target != empty(address):
        self.reached += 1
        success: bool = raw_call(self.target, self.call, revert_on_failure=False)
        if success:
            self.got_in += 1


@external
@payable
def forward(to: address, stipend: bool):
    """
    @notice Coins that reach an address from a contract, with all gas or with 2,300.
    """
    if stipend:
        send(to, msg.value)
    else:
        raw_call(to, b"", value=msg.value)


@external
@payable
def forward_and_undo(to: address):
    """
    @notice Coins that are sent in a call that is undone, in a transaction that succeeds.
    """
    success: bool = raw_call(
        self,
        abi_encode(to, msg.value, method_id=method_id("forward_then_fail(address,uint256)")),
        revert_on_failure=False,
    )


@external
def forward_then_fail(to: address, amount: uint256):
    raw_call(to, b"", value=amount)
    raise "undone"
