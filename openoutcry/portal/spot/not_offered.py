"""What clients of Binance's API may ask for and this venue does not have, with the reason, by the
first words of the paths.

A request for it is answered with 400, -1020 and the reason.  ``docs/portal-binance.md`` has every
path that known clients can call, and what is answered."""

NOT_OFFERED = {
    "cancel and replace are at /api/v3/order/cancelReplace": "/api/v3/cancelReplace",
    "this venue has no block trades in its public data": "/api/v3/historicalBlockTrades",
    "addresses and permissions of keys are set on the portal's page and at /v1/api-keys": "account",
    "this venue has no structured products": "accumulator dci",
    "addresses are confirmed by mail, at /v1/withdrawal-addresses": "addressVerify",
    "this venue has no orders that other orders are made of": "algo",
    "this venue has no brokers and pays for no referrals": "apiReferral broker bv1 rebate",
    "this venue converts no balances; orders do": "asset convert",
    "this venue pays no interest": (
        "bfusd earn eth-staking lending onchain-yields rwusd simple-earn soft-staking sol-staking "
        "staking"
    ),
    "this venue has no leveraged tokens": "blvt",
    "fees are paid in the asset that is received, and in no other": "bnbBurn",
    "this venue has no liquidity pools": "bswap",
    "this venue has no trades between users outside of its books": "c2c",
    "an account has deposits and withdrawals; their limits are on the portal's page": "capital",
    "this venue copies no account's orders for another account": "copyTrading",
    "a withdrawal goes to an address; transfers are between accounts of one owner": (
        "disableFastWithdrawSwitch enableFastWithdrawSwitch"
    ),
    "this venue has no shares of companies outside of its books": "equity",
    "deposits and withdrawals of every asset are at /sapi/v1/capital": "fiat",
    "contracts are traded at /v1/orders": "futures",
    "this venue has no gift cards": "giftcard",
    "this venue lends nothing": "loan",
    "operators handle travel-rule cases; the portal has no forms for them": "localentity",
    "sub-accounts are managed by their owner alone": "managed-subaccount",
    "this venue lends nothing: it has no margin trading in spot markets": (
        "margin userDataStream userListenToken"
    ),
    "this venue has no mining pool": "mining",
    "this venue has no collectibles": "nft",
    "this venue has no payments between users": "pay",
    "margin of contracts is at /v1/margin": "portfolio",
    "instruments and their states are in /api/v3/exchangeInfo": "spot",
    "keys, states and transfers of sub-accounts are at /v1/sub-accounts": "sub-account",
    "this venue has no wallets outside of its custody": "w3w",
}
"""By the reason: the words that follow ``/sapi/v1/`` (or a later version), or a whole path."""
REASONS = {name: reason for reason, names in NOT_OFFERED.items() for name in names.split()}
VERSIONS = ("v1", "v2", "v3", "v4")


def reason_of(path: str) -> str:
    """Return why this venue does not have what a path is for; nothing: no client asks for it."""
    parts = path.split("/")
    if len(parts) >= 4 and parts[1] == "sapi" and parts[2] in VERSIONS:
        return REASONS.get(parts[3], "")
    return REASONS.get(path, "")
