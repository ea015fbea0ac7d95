"""A ring in shared memory: producers, consumers each at its own cursor, work pools."""

import itertools

from openoutcry.ring import layout
from openoutcry.ring.buffer import Buffer
from openoutcry.ring.producer import Producer, WhenFull
from openoutcry.ring.reader import Reader, Worker
from openoutcry.ring.wait_strategy import WaitStrategy
from openoutcry.wire.errors import RingError


class RingBuffer(Buffer):
    """A ring of records of any structured dtype whose size is a power of two from 64 bytes on and
    whose last field is an int64: the stamp.  64 bytes is the fast size.

    >>> with RingBuffer.create(name, 1024, ORDER_DTYPE, ["reader"]) as ring:
    ...     with ring.producer() as producer:
    ...         producer.publish(orders)
    ...     ring.close()
    ...     for batch in ring.reader("reader"): ...

    ``cursors[name]`` is a one-element int64 array on the cursor of that consumer.
    """

    def producer(self, when_full: WhenFull | str = WhenFull.BLOCK) -> Producer:
        """A producer; on a ring of a single producer the caller sees to it that it is the only
        one."""
        return Producer(self, WhenFull(when_full))

    def reader(self, name: str, wait: WaitStrategy = WaitStrategy.YIELD) -> Reader:
        """The consumer of that name, at its own cursor.

        Raises ``KeyError`` for an unknown name and :class:`RingError` if a living process has it;
        a dead one's place is taken.
        """
        index = self._consumer_index(name, layout.READER)
        return Reader(self, index, wait)

    def worker(self, pool: str, wait: WaitStrategy = WaitStrategy.YIELD) -> Worker:
        """A dead worker's place in the pool with what it held, or a free one; :class:`RingError`
        if living processes have all of them."""
        index = self._consumer_index(pool, layout.POOL)
        taken = RingError(f"{self.name}: every worker of pool {pool!r} is taken")
        # Places that hold records first: producers wait until a worker finishes those records.
        places = itertools.product((True, False), range(len(self.consumer_names)))
        for holding, place in places:
            words = self._entry_words(place)
            if int(words[layout.CONSUMER_KIND // 8]) != layout.WORKER:
                continue
            if int(words[layout.CONSUMER_POOL // 8]) != index:
                continue
            if holding and int(words[0]) == layout.FREE:
                continue
            try:
                return Worker(self, place, wait)
            except RingError as error:
                taken = error
        raise taken

    def _consumer_index(self, name: str, kind: int) -> int:
        if name in self.consumer_names:
            index = self.consumer_names.index(name)
            if int(self._entry_words(index)[layout.CONSUMER_KIND // 8]) == kind:
                return index
        what = "pool" if kind == layout.POOL else "consumer"
        raise KeyError(f"{self.name} has no {what} {name!r}: {sorted(self.consumer_names)}")
