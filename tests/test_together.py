"""Work that threads do together: in groups, each item once, and nobody left waiting."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from metrics.together import Together

PATIENCE_SECONDS = 20


class Gated:
    """Work that waits for a permit before each group, and doubles numbers."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)

    def __call__(self, items: list[int]) -> list[int]:
        self.groups.append(items)
        self.begun.release()
        assert self.permits.acquire(timeout=PATIENCE_SECONDS)
        if -1 in items:
            raise ValueError("minus one")
        return [item * 2 for item in items]


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as pool:
        yield pool


def together(work, most=10):
    return Together(work, key=abs, most=most)


def queue_up(pool, shared, items):
    """Brings the items one after the other, so that they wait in this order; the first has begun its work."""
    futures = []
    for item in items:
        before = len(shared.waiting)
        futures.append(pool.submit(shared.do, item))
        if len(futures) == 1:
            assert shared.work.begun.acquire(timeout=PATIENCE_SECONDS)
            continue
        while len(shared.waiting) == before:
            assert not futures[-1].done()
    return futures


def finish(gated, groups):
    for _ in range(groups):
        gated.permits.release()


def test_alone_it_is_a_call():
    shared = together(lambda items: [item + 1 for item in items])

    assert [shared.do(item) for item in (1, 2, 3)] == [2, 3, 4]


def test_what_comes_meanwhile_is_the_next_group(gated, pool):
    shared = together(gated)
    futures = queue_up(pool, shared, [1, 2, 3, 4])
    finish(gated, 2)

    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2, 4, 6, 8]
    assert gated.groups == [[1], [2, 3, 4]]
    assert not shared.waiting
    assert not shared.is_led


def test_a_group_has_a_bound(gated, pool):
    shared = together(gated, most=2)
    futures = queue_up(pool, shared, [1, 2, 3, 4, 5, 6])
    finish(gated, 4)

    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert gated.groups == [[1], [2, 3], [4, 5], [6]]


def test_items_of_one_key_come_one_after_the_other(gated, pool):
    shared = together(gated)
    futures = queue_up(pool, shared, [9, 5, -5, 7, 5])
    finish(gated, 4)

    assert [future.result(PATIENCE_SECONDS) for future in futures] == [18, 10, -10, 14, 10]
    assert gated.groups == [[9], [5, 7], [-5], [5]]


def test_an_error_is_everybodys_in_the_group_and_nobodys_else(gated, pool):
    shared = together(gated, most=3)
    futures = queue_up(pool, shared, [8, 2, -1, 3, 4])
    finish(gated, 3)

    assert [future.exception(PATIENCE_SECONDS) is None for future in futures] == [True, False, False, False, True]
    assert {str(future.exception()) for future in futures[1:4]} == {"minus one"}
    finish(gated, 1)
    assert shared.do(6) == 12


def test_work_that_returns_too_little_is_an_error_and_not_a_wait(pool):
    shared = together(lambda items: [])

    with pytest.raises(ValueError, match="zip"):
        shared.do(1)


def test_many_threads_each_get_their_own_result_once(pool):
    seen: Counter[int] = Counter()

    def work(items):
        seen.update(items)
        return [item * 2 for item in items]

    shared = together(work, most=5)
    numbers = list(range(3000))

    assert list(pool.map(shared.do, numbers)) == [number * 2 for number in numbers]
    assert seen == Counter(numbers)
    assert not shared.waiting
    assert not shared.is_led
