"""Operations: what an operator's tools are told of a running venue, and what they alarm about.

Everything here reads from outside: the shared memory that a run keeps anyway, the status beside its
journal, the host.  No stage is asked, none waits.
"""
