# pragma version 0.4.3
# pragma evm-version cancun
"""
@title  The address of one account's deposits
@notice What arrives here can only go to the wallet, whoever asks for it.  There is no key.
"""

from ethereum.ercs import IERC20

WALLET: immutable(address)


@deploy
def __init__(wallet: address):
    WALLET = wallet


@external
@payable
def __default__():
    """
    @notice Take coins.  It fits into the 2,300 gas of a plain transfer.
    """
    pass


@external
def sweep(token: address):
    """
    @notice Bring all of a token, or with the zero address all coins, to the wallet.
    """
    if token == empty(address):
        raw_call(WALLET, b"", value=self.balance)
    else:
        amount: uint256 = staticcall IERC20(token).balanceOf(self)
        done: bool = extcall IERC20(token).transfer(WALLET, amount, default_return_value=True)
        assert done, "token: refused"
