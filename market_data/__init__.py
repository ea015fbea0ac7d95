"""Tell the market: what is displayed, traded and about to trade, as software out there reads it.

::

    released events ─► encode ─► messages of ITCH 5.0 ─► packets of MoldUDP64, files, snapshots
                                                                   │
                                       receiver: Book ◄────────────┘

``encode.py`` turns events into messages and ``reference.py`` says the same slowly; ``feed.py`` is
their face.  ``publisher.py`` and ``store.py`` send them, ``glimpse.py`` gives the book of a moment;
``lines.py``, ``book.py`` and ``receiver.py`` are the other side.  The process that does all this
for a venue is ``market_data/public_feed.py``.
"""
