"""Errors of the journal, for the operator."""

from openoutcry.wire.errors import OutcryError


class JournalError(OutcryError):
    """A journal cannot be locked, made, written or read; names the file and, where known, the
    byte."""


class Hole(JournalError):
    """A block is missing or spoilt, and what stands behind it says that it was durable."""
