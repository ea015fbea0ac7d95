"""Publish the market: what is displayed, traded and about to trade, as existing software reads it.

::

    released events ─► encode ─► messages of ITCH 5.0 ─► packets of MoldUDP64, files, snapshots
                                                                   │
                                       receiver: Book ◄────────────┘

Events become messages in ``encode.py``; ``reference.py`` is the slow reference and ``feed.py`` the
interface.  The messages are sent by ``publisher.py`` and ``store.py``; ``glimpse.py`` sends the
book of one moment.  The receiving side is ``lines.py``, ``book.py`` and ``receiver.py``.  For a
venue, the process in ``market_data/public_feed.py`` does all this.
"""
