# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token that answers a transfer with what its maker wishes
"""

balanceOf: public(HashMap[address, uint256])
answer: Bytes[96]
refuses: bool
burns: bool
last_gas: public(uint256)


@external
def set_up(answer: Bytes[96], refuses: bool, burns: bool):
    self.answer = answer
    self.refuses = refuses
    self.burns = burns


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
@raw_return
def transfer(receiver: address, amount: uint256) -> Bytes[96]:
    assert not self.refuses
    if self.burns:
        for round: uint256 in range(1_000_000):
            self.last_gas = round
    self.last_gas = msg.gas
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
    return self.answer
