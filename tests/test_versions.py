"""The order of versions, and which of a fleet's is the newest."""

import functools
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.versions import newest_share
from instances.models import Application
from metrics import versions
from metrics.census import Census, Dimension
from metrics.versions import is_prerelease, is_version, newest, newest_first, order, rank

# Oldest first, each a release of its own.
ASCENDING = [
    "1.0.0-dev",
    "1.0.0-nightly.5",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0rc9",
    "v1.0.0-RC10",
    "1.0.0",
    "1.0.0-2",
    "1.0.0-5-gabc1234",
    "1.0.0-p1",
    "1.0.0.post3",
    "1.0.1",
    "V1.9",
    "1.9.0.1",
    "1.10",
    "2.0-pre",
    "2.0",
    "18",
    "2025-12-24",
    "2026.2",
    "2026-11-22",
    "2026.11.23",
]
# As semver's specification and Python's have them, and as they are written by hand.
SAME = [
    ["1.4", "1.4.0", "v1.4", "V1.4.0.0", "version 1.4", "release/1.4", "1.4+build.7", "1.4.0-ubuntu22.04", " 1.4-lts "],
    ["2.0rc1", "2.0.0-rc.1", "2.0c1", "v2.0-RC1", "2.0.0-preview.1", "2.0~rc1+deb12"],
    ["2026.01", "2026-01", "2026.1"],
]
ODD = [
    "",
    " ",
    "main",
    "3f2a9c1",
    "latest",
    "r1234",
    "1e10",
    "\u0663.\u0664",
    "\U0001f984 1.4",
    "<b>1.2</b>",
    "-1.0",
    ".5",
]


@pytest.mark.parametrize("seed", range(5))
def test_versions_are_sorted_as_people_mean_them(seed):
    mixed = random.Random(seed).sample(ASCENDING, len(ASCENDING))

    assert newest_first(mixed) == ASCENDING[::-1]
    assert len({rank(version) for version in ASCENDING}) == len(ASCENDING)


@pytest.mark.parametrize("texts", SAME)
def test_texts_of_one_release_have_one_rank(texts):
    assert len({rank(text) for text in texts}) == 1
    assert all(is_version(text) for text in texts)


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_version_stands_below_all_that_are(text):
    assert not is_version(text)
    assert order(text) < order("0.0.0-dev")


def test_pre_releases_are_told_apart():
    assert all(map(is_prerelease, ["1.0-rc1", "1.0b2", "2.0.0-nightly.5", "1.2.x", "1.0-dev"]))
    assert not any(map(is_prerelease, ["1.0", "1.0-2", "1.0+rc1", "1.0-lts", "1.0.post1", "main", ""]))


hostile_texts = st.one_of(st.text(max_size=250), st.from_regex(r"\A[v]?[0-9.]{0,40}[-+~_a-zA-Z0-9.]{0,20}\Z"))


@settings(deadline=None)
@given(st.lists(hostile_texts, max_size=8, unique=True))
def test_any_texts_have_one_order_whichever_way_they_come(texts):
    assert newest_first(texts) == newest_first(texts[::-1]) == sorted(texts, key=order)[::-1]
    for text in texts:
        assert rank(text) == rank(f" {text} ") or len(text) > 198


numbers = st.lists(st.integers(0, 10**30), min_size=1, max_size=5)


@settings(deadline=None)
@given(numbers, numbers)
def test_numbers_are_compared_one_by_one(one, other):
    def compared(first: list[int], second: list[int]) -> int:
        for place in range(max(len(first), len(second))):
            mine, its = (row[place] if place < len(row) else 0 for row in (first, second))
            if mine != its:
                return 1 if mine > its else -1
        return 0

    ranks = [rank(".".join(map(str, row))) for row in (one, other)]

    assert (ranks[0] > ranks[1]) - (ranks[0] < ranks[1]) == compared(one, other)


def precedence(one: str, other: str) -> int:
    """Semantic Versioning 2.0.0, section 11, for two pre-releases."""
    mine, its = one.split("."), other.split(".")
    for first, second in zip(mine, its, strict=False):
        if first != second:
            if first.isdigit() and second.isdigit():
                return 1 if int(first) > int(second) else -1
            if first.isdigit() != second.isdigit():
                return -1 if first.isdigit() else 1
            return 1 if first > second else -1
    return (len(mine) > len(its)) - (len(mine) < len(its))


words = st.sampled_from(["alpha", "beta", "gamma", "rc", "x"])
identifiers = st.tuples(words, st.lists(words | st.integers(0, 99).map(str), max_size=3)).map(
    lambda parts: ".".join([parts[0], *parts[1]])
)


@settings(deadline=None)
@given(st.lists(identifiers, min_size=2, max_size=6, unique=True))
def test_pre_releases_follow_semver(pre_releases):
    expected = sorted(pre_releases, key=functools.cmp_to_key(precedence))

    assert sorted(pre_releases, key=lambda pre: rank(f"1.2.3-{pre}")) == expected
    assert all(rank("1.2.2") < rank(f"1.2.3-{pre}") < rank("1.2.3") for pre in pre_releases)


# The newest of a fleet


@pytest.mark.parametrize(
    ("counts", "released", "expected"),
    [
        ({}, [""], None),
        ({"": 5}, [""], None),
        ({"main": 40, "noble": 9}, [""], None),
        ({"main": 40, "noble": 9}, ["noble"], "noble"),
        ({"1.0": 1}, [""], "1.0"),
        ({"1.0": 1, "1.1": 1}, [""], "1.1"),
        # One instance that claims anything does not make it the newest, whatever the size of the fleet.
        ({"1.0": 3, "99.9": 1}, [""], "1.0"),
        ({"1.0": 30, "1.1": 30, "99.9": 2}, [""], "1.1"),
        ({"1.0": 9000, "99.9": 50}, [""], "1.0"),
        ({"1.0": 9000, "1.1": 100}, [""], "1.1"),
        ({"main": 90, "1.0": 1}, [""], None),
        # Where each runs another, the newest few do not count, and all others do.
        ({f"1.{number}": 1 for number in range(200)}, [""], "1.197"),
        # What its maintainers say is released is, whoever runs it; and more may be.
        ({"1.0": 30}, ["1.2"], "1.2"),
        ({"1.0": 30, "1.3": 30}, ["1.2"], "1.3"),
        ({"1.0": 30, "99.9": 1}, ["1.2"], "1.2"),
        # Pre-releases are for those who try them.
        ({"1.0": 30, "2.0-rc1": 30}, [""], "1.0"),
        ({"2.0-rc1": 30, "2.0-rc2": 3}, [""], "2.0-rc2"),
        ({"1.0": 30, "2.0-rc1": 30}, ["2.0-rc1"], "2.0-rc1"),
        ({"v1.4.0": 20, "1.4": 4, "1.3": 80}, [""], "v1.4.0"),
    ],
)
def test_the_newest_version_is_one_that_was_released(counts, released, expected):
    assert newest(counts, sum(counts.values()), released) == expected


def test_the_same_version_is_counted_however_it_is_written():
    counts = {"v1.4.0": 20, "1.4": 4, "1.4.0+arm": 1, "1.3": 80, "1.5-rc1": 2, "main": 7}

    assert versions.same(counts, "1.4.0") == 25
    assert versions.same(counts, "main") == 7
    assert versions.at_least(counts, "1.4") == 27
    assert versions.at_least(counts, "1.3") == 107


def test_the_share_on_the_newest_version_is_of_all_that_are_active(db, django_assert_num_queries):
    application = Application.objects.create(name="Ledger", slug="ledger")
    dimension = Dimension({"1.4.0": 20, "v1.4": 5, "1.3": 20, "": 5}, folded=50, values=90)
    census = Census(datetime(2026, 11, 22, tzinfo=UTC), active=100, dimensions={"app_version": dimension})

    assert newest_share(census, application) == ("1.4.0", 0.25)
    application.latest_version = "2.0"
    assert newest_share(census, application) == ("2.0", 0.0)
    application.releases.create(version="2.1", released_at=census.at, by_hand=True)
    application.releases.create(version="2.2", released_at=census.at)
    (prefetched,) = Application.objects.prefetch_related("releases")
    with django_assert_num_queries(0):
        assert newest_share(census, prefetched) == ("2.1", 0.0)
    application.latest_version = ""
    application.releases.update(hidden=True)
    application.releases.create(version="v1.4", hidden=True)
    assert newest_share(census, application) == ("1.3", 0.2)
    assert newest_share(Census(datetime(2026, 11, 22, tzinfo=UTC)), application) is None
