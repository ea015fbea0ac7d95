"""What a stage is given, whatever room it is in: the table's rows, its context, shared memory.

This package is the bottom of the pipeline.  It imports nothing else of it, so that the stages of
other rooms (``order_entry``, ``market_data``, ``journal``, ``replica``) can import it.
"""
