"""How a fleet moves from version to version, against plain definitions."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import adoption
from metrics.adoption import Seen, Superseded, covered, first_seen, most_run, reached, released, superseded
from metrics.census import MAX_VALUES, Dimension
from metrics.versions import is_prerelease, is_version, rank, real_count

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def history(*fleets: dict[str, int], step: timedelta = DAY) -> list[Seen]:
    """One census a day, each of how many run which version."""
    return [Seen(START + step * number, Dimension.of(Counter(fleet))) for number, fleet in enumerate(fleets)]


def day(number: float) -> datetime:
    return START + DAY * number


texts = st.sampled_from(["", "main", "1.0", "v1.0", "1.1", "1.2-rc1", "1.2", "1.10", "2.0"])
fleets = st.dictionaries(texts, st.integers(1, 40), max_size=6)
histories = st.lists(fleets, max_size=14).map(lambda rows: history(*rows))


# How long upgrades take


def test_half_the_fleet_is_reached_at_the_first_census_that_shows_it():
    rows = history({"1.0": 10}, {"1.0": 6, "1.1": 4}, {"1.0": 4, "1.1": 6}, {"1.0": 1, "1.1": 9}, {"1.0": 9, "1.1": 9})

    assert reached(rows, ["1.0", "1.1", "1.2"], [0.5, 0.9]) == {
        "1.0": [day(0), day(0)],
        "1.1": [day(2), day(3)],
        "1.2": [None, None],
    }


def test_a_version_that_is_superseded_at_once_is_reached_with_those_that_follow_it():
    rows = history({"1.0": 10}, {"1.0": 8, "1.1": 2}, {"1.0": 4, "1.1": 1, "1.2": 5})

    assert reached(rows, ["1.1"], [0.5]) == {"1.1": [day(2)]}


def test_instances_without_a_known_version_are_on_no_new_one():
    rare = {f"3.0-dev{number}": 1 for number in range(MAX_VALUES + 30)}
    folded = Dimension.of(Counter({**rare, "2.0": 60}))
    assert folded.folded == 31

    assert reached([Seen(START, folded)], ["2.0"], [0.5, 0.9]) == {"2.0": [START, None]}
    assert reached(history({"": 6, "2.0": 4}), ["2.0"], [0.5]) == {"2.0": [None]}


@settings(deadline=None)
@given(histories, st.lists(texts, max_size=5, unique=True))
def test_reached_is_what_looking_at_each_census_for_itself_says(rows, versions):
    shares = [0.5, 0.9, 1.0]
    expected = {}
    for version in versions:
        expected[version] = [
            next(
                (
                    at
                    for at, fleet in rows
                    if fleet.total
                    and Fraction(sum(n for text, n in fleet.counts.items() if rank(text) >= rank(version)), fleet.total)
                    >= Fraction(str(share))
                ),
                None,
            )
            for share in shares
        ]

    assert reached(rows, versions, shares) == expected


@settings(deadline=None)
@given(fleets, st.lists(texts, max_size=5, unique=True))
def test_covered_is_the_sum_of_all_that_are_as_new(fleet, versions):
    assert covered(Dimension.of(Counter(fleet)), versions) == {
        version: sum(n for text, n in fleet.items() if rank(text) >= rank(version)) for version in versions
    }


# When versions were released


def test_a_release_is_dated_by_the_first_who_run_it():
    rows = history({"1.0": 90}, {"1.0": 89, "1.1": 1}, {"1.0": 85, "1.1": 5}, {"1.1": 90})

    assert released(rows) == {"1.0": None, "1.1": day(0)}


def test_one_stray_instance_is_no_release():
    rows = history({"1.0": 90}, *[{"1.0": 90, "99.9": 1}] * 60)

    assert "99.9" not in released(rows)


def test_who_runs_a_version_long_before_all_others_does_not_date_it():
    alone = [{"1.0": 90, "1.1": 1}] * 30
    rows = history({"1.0": 90}, *alone, {"1.0": 60, "1.1": 30})

    # Day 31 is the first with a real part; the week before it is looked at.
    assert released(rows)["1.1"] == day(23)


def test_what_was_there_when_counting_began_has_no_date():
    assert released(history({"1.0": 9, "1.1": 9}, {"1.1": 18})) == {"1.0": None, "1.1": None}


def test_an_old_version_that_is_installed_again_is_no_release():
    rows = history({"2.0": 9}, {"2.0": 9, "1.0": 5}, {"2.0": 9, "1.0": 5, "2.1": 7})

    assert released(rows) == {"2.0": None, "1.0": None, "2.1": day(1)}


def test_a_pre_release_does_not_make_the_repair_of_a_release_an_old_one():
    rows = history({"1.9": 9}, {"1.9": 9, "2.0-rc1": 5}, {"1.9": 9, "2.0-rc1": 5, "1.9.1": 9})

    assert released(rows) == {"1.9": None, "2.0-rc1": day(0), "1.9.1": day(1)}


def test_a_version_that_was_none_holds_nothing_up():
    rows = history({"1.0": 9}, {"1.0": 9, "99.9": 5}, {"1.0": 9, "99.9": 5, "1.1": 7})

    assert released(rows) == {"1.0": None, "99.9": day(0), "1.1": None}
    assert released(rows, ignored={rank("99.9")}) == {"1.0": None, "1.1": day(1)}


def test_a_gap_in_the_counting_does_not_date_a_release_before_it():
    rows = [*history({"1.0": 9}), Seen(day(60), Dimension.of(Counter({"1.1": 9})))]

    assert released(rows)["1.1"] == day(59)


@settings(deadline=None)
@given(histories)
def test_every_release_was_run_by_a_real_part_and_is_dated_within_the_history(rows):
    dates = released(rows)

    real = {
        text
        for _, fleet in rows
        for text, count in fleet.counts.items()
        if is_version(text) and count >= real_count(fleet.total)
    }
    assert dates.keys() == real
    fleets = {seen.at: seen.versions for seen in rows}
    became_real = {
        version: min(at for at, fleet in fleets.items() if fleet.counts.get(version, 0) >= real_count(fleet.total))
        for version in real
    }
    for version, at in dates.items():
        newer = [other for other in real if not is_prerelease(other) and rank(other) >= rank(version)]
        if at is None:
            until = became_real[version]
            was_there = all(version in fleet.counts for when, fleet in fleets.items() if when <= until)
            assert (was_there and until - START <= adoption.NOTICED_WITHIN) or any(
                became_real[other] < became_real[version] for other in newer
            )
            continue
        assert version in fleets[at + DAY].counts
        assert version not in fleets[at].counts or became_real[version] - at == adoption.NOTICED_WITHIN + DAY
        assert all(became_real[other] >= became_real[version] for other in newer)


# What is seen at all


@settings(deadline=None)
@given(histories)
def test_first_seen_is_the_first_census_that_knows_of_a_version(rows):
    seen = {text for _, fleet in rows for text in fleet.counts}

    assert first_seen(rows) == {text: min(at for at, fleet in rows if text in fleet.counts) for text in seen}


def test_the_versions_that_are_drawn_are_those_that_most_ran():
    rows = history({"1.0": 90, "0.9": 10}, {"1.0": 40, "1.1": 60, "main": 20}, {"1.1": 90, "99.9": 1, "": 9})

    assert most_run(rows, 3) == ["1.0", "1.1", "0.9"]
    assert most_run(rows, 9) == ["1.0", "1.1", "0.9", "99.9"]
    assert most_run([], 3) == []


# What lingers


def test_a_version_is_as_old_as_what_came_after_it():
    releases = {"1.0": None, "1.1": day(10), "v1.1": day(11), "1.2": day(20), "1.3": day(15), "main": day(1)}

    assert superseded("1.0", releases) == Superseded(3, day(10))
    assert superseded("1.1.0", releases) == Superseded(2, day(15))
    assert superseded("1.3", releases) == Superseded(0, None)
    assert superseded("0.9", {"1.0": None}) == Superseded(1, None)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Superseded(0, None), False),
        (Superseded(2, day(0)), False),
        (Superseded(3, None), True),
        (Superseded(1, day(-90)), True),
        (Superseded(1, day(-89)), False),
    ],
)
def test_what_is_several_releases_behind_or_long_superseded_lingers(standing, expected):
    assert adoption.lingers(standing, START, releases=3, age=DAY * 90) is expected
