# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A receiver that calls back, with as little gas as can be
"""

# In the code, where reading costs little.
TARGET: immutable(address)
CALL: immutable(Bytes[1024])
got_in: public(uint256)


@deploy
def __init__(target: address, call: Bytes[1024]):
    TARGET = target
    CALL = call
    # A word that is in use is changed for less gas.
    self.got_in = 1


@external
@payable
def __default__():
    success: bool = raw_call(TARGET, CALL, revert_on_failure=False)
    if success:
        self.got_in += 1
