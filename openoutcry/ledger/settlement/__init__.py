"""Settle trades: when each is due, what each member owes net, and its exchange, both legs or
neither.

The module ``cycle`` says the day, ``trades`` reads them, ``netting`` nets them against the clearing
account.  Then ``settle`` delivers against payment in two phases and carries what fails.  Dividends
and splits become transfers and sequenced commands in ``corporate``.  All amounts are whole units of
an asset.
"""
