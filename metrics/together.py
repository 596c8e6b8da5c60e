"""Does together what threads bring at the same time. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """What one thread has brought. Its lock is opened when there is a result, or when it is to lead."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_done = False
        self.result: Result | None = None
        self.error: BaseException | None = None


class Together(Generic[Item, Result]):
    """Calls `work` with what one thread, or several that came meanwhile, have brought, as a database commits in groups.

    Whoever finds nobody at work leads: it does its own and that of all who wait, up to `most` at once, and then hands
    the lead to the next who waits. Nobody waits for company, so a single thread is as fast as without. Of items with
    the same `key` each is in a group of its own. An error of `work` is raised by every thread of the group.
    """

    def __init__(
        self, work: Callable[[list[Item]], Sequence[Result]], key: Callable[[Item], Hashable], most: int
    ) -> None:
        self.work = work
        self.key = key
        self.most = most
        self.lock = threading.Lock()
        self.waiting: list[_Waiting[Item, Result]] = []
        self.is_led = False

    def do(self, item: Item) -> Result:
        """The result of `work` for the item."""
        mine = _Waiting[Item, Result](item)
        with self.lock:
            self.waiting.append(mine)
            leads, self.is_led = not self.is_led, True
        if not leads:
            mine.turn.acquire()
        if not mine.is_done:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value] # It is done, and without an error.

    def _lead(self, mine: _Waiting[Item, Result]) -> None:
        group = self._next_group()
        try:
            results = self.work([each.item for each in group])
            for each, result in zip(group, results, strict=True):
                each.result = result
        except BaseException as error:
            for each in group:
                each.error = error
        for each in group:
            each.is_done = True
        with self.lock:
            # The next one leads; whoever comes before it has begun finds that somebody does.
            successor = self.waiting[0] if self.waiting else None
            self.is_led = successor is not None
        for each in group:
            if each is not mine:
                each.turn.release()
        if successor is not None:
            successor.turn.release()

    def _next_group(self) -> list[_Waiting[Item, Result]]:
        """Takes those off the queue that go together, in the order in which they came."""
        with self.lock:
            group: dict[Hashable, _Waiting[Item, Result]] = {}
            rest = []
            for each in self.waiting:
                if len(group) < self.most and self.key(each.item) not in group:
                    group[self.key(each.item)] = each
                else:
                    rest.append(each)
            self.waiting = rest
        return list(group.values())
