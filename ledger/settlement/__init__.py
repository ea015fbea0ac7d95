"""Settle trades: when each is due, what everybody owes net, and its exchange, both legs or neither.

``cycle`` says the day, ``trades`` reads them, ``netting`` nets them against the clearing account,
``settle`` delivers against payment in two phases and carries what fails, ``corporate`` makes
dividends and splits into transfers and sequenced commands.  All amounts are whole units of an
asset.
"""
