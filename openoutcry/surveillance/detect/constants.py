# generated from surveillance/detect/ by `python -m openoutcry.wire.generate`; do not edit
"""The members of enumerations of surveillance/detect/ as the plain ints that kernels need."""

# surveillance/detect/layout.py: Detector
SPOOFING = 1
LAYERING = 2
WASH_SELF = 3
WASH_RELATED = 4
WASH_PAIR = 5
WASH_RING = 6
MOMENTUM_IGNITION = 7
RAMPING = 8
MARKING_CLOSE = 9
MARKING_OPEN = 10
CROSS_MARKET = 11
FRONT_RUNNING = 12
INSIDER_TIMING = 13
QUOTE_STUFFING = 14
EXCESSIVE_CANCELS = 15
ORDER_TO_TRADE = 16
SUSPICIOUS_VOLUME = 17
NEGATIVE_BALANCE = 18
MOVING_PEGS = 19
CALLED_TRADES = 20
OFF_BOOK_PRICE = 21
