# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A contract that takes no coins
"""

name: public(uint256)
