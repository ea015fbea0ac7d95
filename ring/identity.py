"""Identify a process by more than its pid, which is reused."""

import os
from dataclasses import dataclass, field

PID_BITS = 22
"""No pid has more (PID_MAX_LIMIT, linux/threads.h)."""
EXITING = 0x4
"""PF_EXITING (linux/sched.h), in field 9 of /proc/PID/stat."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A pid with its start time in clock ticks since boot: unique until reboot."""

    pid: int
    start_ticks: int
    is_exiting: bool = field(default=False, compare=False)
    """The kernel ends it and closes its descriptors now; no code of it runs any longer."""

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The process with this pid now, or None (source: proc(5), field 22 of /proc/PID/stat)."""
        try:
            with open(f"/proc/{pid}/stat") as file:
                text = file.read()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command name is in parentheses and may hold anything, so count from its end.
        fields = text[text.rindex(")") + 2 :].split()
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), bool(int(fields[6]) & EXITING))

    @classmethod
    def mine(cls) -> "ProcessIdentity":
        """The calling process."""
        me = cls.of(os.getpid())
        assert me is not None
        return me

    @property
    def word(self) -> int:
        """Both in one positive 64-bit word, which is stored and swapped at once."""
        return self.start_ticks << PID_BITS | self.pid

    @classmethod
    def of_word(cls, word: int) -> "ProcessIdentity":
        """The identity of a :attr:`word`, whatever its sign."""
        start_ticks, pid = divmod(abs(word), 1 << PID_BITS)
        return cls(pid, start_ticks)

    def has_descriptors(self) -> bool:
        """False from before the kernel closes the first of its sockets."""
        now = ProcessIdentity.of(self.pid)
        return now == self and not now.is_exiting

    def alive(self) -> bool:
        """False is proof of death: the pid is free, a zombie, or reused."""
        return ProcessIdentity.of(self.pid) == self
