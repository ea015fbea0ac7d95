"""Tell the market: what is displayed, traded and about to trade, as software out there reads it.

::

    released events ─► encode ─► messages of ITCH 5.0 ─► packets of MoldUDP64, files, snapshots
                                                                   │
                                       receiver: Book ◄────────────┘

``encode.py`` turns events into messages and ``reference.py`` says the same slowly; ``feed.py`` is
their face.
"""
