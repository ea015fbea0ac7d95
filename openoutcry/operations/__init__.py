"""Operations: what an operator's tools read of a running venue, and what they alarm about.

Everything here reads from outside: the shared memory that a run keeps anyway, the status in its
journal's folder, the host.  It asks no stage, and no stage waits for it.
"""
