# generated from ledger/ by `python -m openoutcry.wire.generate`; do not edit
"""The members of enumerations of ledger/ as the plain ints that kernels need."""

# ledger/layout.py: Kind
KIND_PENDING = 1
KIND_POSTED = 2
KIND_VOIDED = 3
KIND_CHANGED = 4
KIND_DEPOSIT = 5
KIND_POSITION = 6
KIND_REPRICED = 7
KIND_MARKED = 8
KIND_DIVIDEND = 9
KIND_SPLIT = 10
KIND_DELIVERED = 11
KIND_MOVEMENT = 12
KIND_FUNDING = 13
KIND_SETTLED = 14
KIND_COVERED = 15
KIND_TAKEN_OVER = 16
KIND_PLEDGED = 17
KIND_SEIZED = 18
KIND_ADJUSTED = 19
KIND_LIQUIDATION_FEE = 20

# ledger/layout.py: Error
ERROR_NOTIONAL = 1
ERROR_ORDER = 2
ERROR_GAP = 3
ERROR_UNBALANCED = 4
ERROR_ASSET = 5
