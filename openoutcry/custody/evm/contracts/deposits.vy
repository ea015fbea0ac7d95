# pragma version 0.4.3
# pragma evm-version cancun
"""
@title  Deposit addresses of one wallet
@notice Address number N follows from this contract's address, N and the wallet (CREATE2), so it can
        be given out before anything is there.  Its contract is made when it is first swept.
"""

interface Deposit:
    def sweep(token: address): nonpayable

MAX_SWEPT: constant(uint256) = 100

WALLET: immutable(address)
BLUEPRINT: immutable(address)
# keccak256 of the creation code of one deposit contract.
CODE_HASH: immutable(bytes32)


@deploy
def __init__(wallet: address, blueprint: address, code_hash: bytes32):
    WALLET = wallet
    BLUEPRINT = blueprint
    CODE_HASH = code_hash


@view
@internal
def _address(index: uint256) -> address:
    place: bytes32 = keccak256(concat(b"\xff", convert(self, bytes20), convert(index, bytes32), CODE_HASH))
    return convert(convert(place, uint256) & convert(max_value(uint160), uint256), address)


@external
def sweep(token: address, indices: DynArray[uint256, MAX_SWEPT]):
    """
    @notice Bring all of a token, or with the zero address all coins, from these addresses to the wallet.
    """
    for index: uint256 in indices:
        place: address = self._address(index)
        if not place.is_contract:
            made: address = create_from_blueprint(BLUEPRINT, WALLET, salt=convert(index, bytes32))
            assert made == place, "address: not the one given out"
        extcall Deposit(place).sweep(token)


@view
@external
def address_of(index: uint256) -> address:
    return self._address(index)


@view
@external
def wallet() -> address:
    return WALLET
