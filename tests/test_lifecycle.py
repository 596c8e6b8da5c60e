"""Who came, who left and who stays, from censuses: by hand, and against fleets of which all is known."""

import itertools
import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.census import State, count, week_of
from metrics.lifecycle import (
    FEWEST,
    Cohort,
    Flow,
    Measure,
    Stay,
    Survival,
    age_of,
    cohorts,
    curve,
    flows,
    half,
    together,
    until,
)
from metrics.periods import DAY, HOUR, WEEK, monday

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def flow(net=0, new=0, returned=0, gone=0, before=10):
    active = None if net is None else before + net
    return Flow(MONDAY - WEEK, MONDAY, before, active, new, returned, gone)


# What came and went


def test_what_came_and_went_adds_up_and_what_is_left_is_said():
    assert (flow(3, new=4, gone=1).net, flow(3, new=4, gone=1).other) == (3, 0)
    assert flow(-1, new=2, returned=1, gone=1).other == -3
    assert flow(2).other == 2


def test_who_is_gone_is_part_of_the_rest_where_it_was_not_counted():
    assert flow(-2, new=1, gone=None).other == -3


@pytest.mark.parametrize("unknown", [flow(None), flow(new=None), flow(returned=None), flow(before=None, net=None)])
def test_without_one_of_its_parts_the_rest_is_not_known(unknown):
    assert unknown.other is None


def week(active, new=0, returned=0, gone=0):
    return {"active": active, "new": new, "returned": returned, "gone": gone, "new_in_day": 99}


def test_a_flow_leads_from_closing_to_closing():
    counts = {MONDAY - WEEK: week(5), MONDAY: week(7, new=3, gone=1)}

    [made] = flows([MONDAY], WEEK, counts, began=MONDAY - WEEK * 9)

    assert made == Flow(MONDAY - WEEK, MONDAY, before=5, active=7, new=3, returned=0, gone=1)


def test_days_take_the_numbers_of_the_day():
    counts = {
        MONDAY - DAY: {"active": 5},
        MONDAY: {"active": 6, "new": 9, "new_in_day": 2, "returned_in_day": 1, "gone_in_day": 2},
    }

    [made] = flows([MONDAY], DAY, counts, began=MONDAY - WEEK)

    assert (made.new, made.returned, made.gone, made.net, made.other) == (2, 1, 2, 1, 0)


def test_before_the_first_report_nobody_was_there():
    [made] = flows([MONDAY], WEEK, {MONDAY: week(2, new=2)}, began=MONDAY - DAY)

    assert (made.before, made.net, made.other) == (0, 2, 0)


def test_where_a_census_is_missing_nothing_is_made_up():
    ends = [MONDAY - WEEK, MONDAY]

    first, second = flows(ends, WEEK, {MONDAY: week(7, new=3)}, began=MONDAY - WEEK * 9)

    assert (first.before, first.active, first.new, first.net, first.other) == (None,) * 5
    assert (second.before, second.active, second.new, second.net, second.other) == (None, 7, 3, None, None)


def test_a_closing_that_is_about_to_be_taken_is_not_there_yet():
    counts = {MONDAY - WEEK: week(7)}

    assert [made.end for made in flows([MONDAY - WEEK, MONDAY], WEEK, counts, began=MONDAY)] == [MONDAY - WEEK]
    assert flows([MONDAY], WEEK, {}, began=MONDAY - WEEK * 9) == []
    assert flows([], WEEK, {}, began=MONDAY) == []


def test_flows_that_are_put_together_are_those_of_the_longer_time():
    weeks = [
        Flow(MONDAY + WEEK * n, MONDAY + WEEK * (n + 1), before=n, active=n + 1, new=2, returned=1, gone=n)
        for n in range(5)
    ]

    assert together(weeks, 2) == [
        weeks[0],
        Flow(MONDAY + WEEK, MONDAY + WEEK * 3, before=1, active=3, new=4, returned=2, gone=3),
        Flow(MONDAY + WEEK * 3, MONDAY + WEEK * 5, before=3, active=5, new=4, returned=2, gone=7),
    ]
    assert together(weeks, 1) == weeks
    assert together([], 4) == []
    assert len(together(weeks, 5)) == 1


def test_what_is_not_known_of_a_part_is_not_known_of_the_whole():
    [made] = together([flow(2, new=2, gone=None), flow(1, new=2, gone=1)], 2)

    assert (made.new, made.gone) == (4, None)


# Who stays


def test_the_table_of_cohorts_has_each_age_from_the_monday_at_which_they_had_it():
    censuses = {
        MONDAY - WEEK: {"2026-10-26": [5, 4, 3], "2026-11-02": [9, 9, 9]},
        MONDAY: {"2026-10-26": [4, 2, 1], "2026-11-02": [8, 6, 5], "2026-11-09": [7, 7, 7]},
    }

    assert cohorts(censuses, MONDAY, 2, Measure.ACTIVE) == [
        Cohort(date(2026, 10, 26), 4, [Stay(1, 5, 4), Stay(2, 4, 2)]),
        Cohort(date(2026, 11, 2), 8, [Stay(1, 8, 6)]),
    ]
    assert cohorts(censuses, MONDAY, 2, Measure.REPORTED)[0].stays == [Stay(1, 5, 3), Stay(2, 4, 1)]


def test_a_census_that_is_missing_leaves_a_gap_and_a_week_without_anybody_no_row():
    censuses = {MONDAY: {"2026-10-26": [4, 2, 1]}}

    assert cohorts(censuses, MONDAY, 9, Measure.ACTIVE) == [Cohort(date(2026, 10, 26), 4, [None, Stay(2, 4, 2)])]
    assert cohorts({}, MONDAY, 9, Measure.ACTIVE) == []


def test_what_older_censuses_have_not_counted_is_not_known():
    censuses = {MONDAY: {"2026-11-02": [8, 6]}}

    [made] = cohorts(censuses, MONDAY, 1, Measure.REPORTED)

    assert made.stays == [Stay(1, 8, None)]
    assert made.stays[0].share is None
    censuses = {MONDAY: {"2026-11-09": [8, 6]}}
    assert curve(censuses, Measure.REPORTED) == []
    assert curve(censuses, Measure.ACTIVE) == [Survival(0, 8, 0.75)]


def test_each_week_s_chance_is_that_of_all_who_were_seen_before_and_after_it():
    censuses = {
        MONDAY - WEEK: {"2026-10-26": [10, 8, 0], "2026-11-02": [90, 90, 0], "2026-11-16": [1, 1, 1]},
        MONDAY: {"2026-10-26": [10, 6, 0], "2026-11-02": [90, 81, 0], "2026-11-09": [30, 24, 0]},
    }

    made = curve(censuses, Measure.ACTIVE)

    # At 0 weeks 90 of 90 and 24 of 30; then 81 of 90; then 6 of 8 that were there a week younger.
    assert [(one.age, one.size) for one in made] == [(0, 120), (1, 100), (2, 10)]
    assert [one.share for one in made] == pytest.approx([0.95, 0.95 * 0.9, 0.95 * 0.9 * 0.75])
    assert until(made, 1) == made[1]
    assert until(made, 3) is None
    assert half(made) is None
    assert half([*made, Survival(3, 9, 0.5)]).age == 3


def test_who_is_not_counted_any_more_has_not_left():
    censuses = {MONDAY - WEEK: {"2026-11-02": [20, 20, 20]}, MONDAY: {"2026-11-02": [12, 12, 12]}}

    assert [one.share for one in curve(censuses, Measure.REPORTED)] == [1.0, 1.0]


def test_who_comes_back_counts_again_and_nobody_more_than_once():
    week = "2026-10-26"
    seen = {MONDAY - WEEK * 2: {week: [8, 8, 8]}, MONDAY - WEEK: {week: [8, 0, 0]}, MONDAY: {week: [8, 6, 6]}}
    assert [one.share for one in curve(seen, Measure.ACTIVE)] == [1.0, 0.0, 0.75]

    others = {MONDAY - WEEK: {"2026-10-26": [8, 2, 2]}, MONDAY: {"2026-10-26": [8, 8, 8], "2026-11-09": [8, 8, 8]}}
    others[MONDAY]["2026-11-02"], others[MONDAY - WEEK]["2026-11-02"] = [8, 8, 8], [8, 8, 8]
    assert max(one.share for one in curve(others, Measure.ACTIVE)) == 1.0


def test_a_curve_ends_where_an_age_has_not_been_seen():
    censuses = {MONDAY: {"2026-11-09": [9, 9, 9], "2026-10-26": [9, 5, 5]}}

    assert [one.age for one in curve(censuses, Measure.ACTIVE)] == [0]


def test_the_end_where_too_few_are_left_to_say_something_is_left_out():
    older = {"2026-11-02": [FEWEST, 5, 5], "2026-10-26": [4, 4, 4]}
    censuses = {MONDAY - WEEK: older, MONDAY: {**older, "2026-11-09": [FEWEST, 4, 4]}}

    assert [one.age for one in curve(censuses, Measure.ACTIVE)] == [0, 1]


def test_that_few_came_of_late_does_not_end_it():
    censuses = {MONDAY: {"2026-11-09": [1, 1, 1], "2026-11-02": [9, 9, 9]}, MONDAY - WEEK: {"2026-11-02": [9, 9, 9]}}

    assert [one.size for one in curve(censuses, Measure.ACTIVE)] == [10, 9]


def test_a_fleet_of_one_says_what_there_is():
    assert curve({MONDAY: {"2026-11-09": [1, 1, 0]}}, Measure.REPORTED) == [Survival(0, 1, 0.0)]
    assert curve({}, Measure.ACTIVE) == []


@pytest.mark.parametrize(
    ("week", "at", "age"),
    [
        ("2026-11-16", MONDAY, -1),
        ("2026-11-09", MONDAY, 0),
        ("2026-11-09", MONDAY + WEEK - MICROSECOND, 0),
        ("2026-11-09", MONDAY + WEEK, 1),
        ("2016-11-14", MONDAY, 521),
    ],
)
def test_an_age_is_counted_from_the_end_of_the_week(week, at, age):
    assert age_of(week, at) == age


# Against fleets of which all is known


def states(lives, at, window):
    """The instances as they were then. Of each: the times of its reports, ascending, and when it is excluded."""
    for number, (reports, excluded_at) in enumerate(lives):
        past = [report for report in reports if report <= at]
        back = [late for early, late in itertools.pairwise(past) if late - early > window]
        yield State(
            id=UUID(int=number),
            revoked=False,
            exclusion="test" if excluded_at and excluded_at <= at else "",
            first_report_at=past[0] if past else None,
            last_report_at=past[-1] if past else None,
            returned_at=back[-1] if back else None,
            app_version="",
            environment="",
            deployment_mode="",
            os_arch="",
            metrics={},
        )


def documents(lives, times, window):
    made = {at: count(states(lives, at, window), at, at - window).document() for at in times}
    return json.loads(json.dumps({at.isoformat(): document for at, document in made.items()}))


def is_there(life, at, window):
    reports, excluded_at = life
    is_counted = excluded_at is None or excluded_at > at
    return is_counted and any(at - window <= report <= at for report in reports)


WEEKS = 9
# On closings and beside them more often than chance would have it.
MOMENTS = st.one_of(
    st.integers(0, WEEKS * 7 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.builds(lambda days, off: DAY * days + MICROSECOND * off, st.integers(1, WEEKS * 7), st.integers(-1, 1)),
).map(lambda since: MONDAY - WEEK * WEEKS + since)
LIVES = st.lists(
    st.tuples(st.lists(MOMENTS, min_size=1, max_size=5).map(sorted), st.none() | MOMENTS), min_size=1, max_size=8
)


@settings(max_examples=120, deadline=None, database=None)
@given(LIVES, st.sampled_from([7, 8, 14, 30]), st.sampled_from([DAY, WEEK]))
def test_what_the_flows_say_is_what_happened(lives, days, step):
    window = DAY * days
    ends = [MONDAY - step * back for back in reversed(range(WEEKS * WEEK // step))]
    read = documents(lives, [ends[0] - step, *ends], window)
    counts = {datetime.fromisoformat(at): document["instances"] for at, document in read.items()}

    for made in flows(ends, step, counts, began=min(reports[0] for reports, _ in lives)):
        start, end = made.start, made.end
        before = [life for life in lives if is_there(life, start, window)]
        after = [life for life in lives if is_there(life, end, window)]
        came = [life for life in after if life not in before]
        left = [life for life in before if life not in after]
        away = [life for life in lives if life in before and life in after and _was_away(life, start, end, window)]
        excluded = [life for life in left if life[1] and life[1] <= end]
        assert (made.before, made.active) == (len(before), len(after))
        assert made.new == sum(life[0][0] > start for life in came)
        assert made.returned == sum(life[0][0] <= start for life in came) + len(away)
        assert made.gone == len(left) - len(excluded)
        assert made.other == -len(excluded) - len(away)
        assert made.net == len(came) - len(left)


def _was_away(life, start, end, window):
    reports = life[0]
    return any(late - early > window and start < late <= end for early, late in itertools.pairwise(reports))


@settings(max_examples=80, deadline=None, database=None)
@given(LIVES, st.sampled_from([7, 30]), st.integers(1, WEEKS))
def test_what_the_table_says_is_what_happened(lives, days, span):
    window = DAY * days
    mondays = [MONDAY - WEEK * back for back in range(span)]
    read = documents(lives, mondays, window)
    censuses = {datetime.fromisoformat(at): document["cohorts"] for at, document in read.items()}
    for measure, within in ((Measure.ACTIVE, window), (Measure.REPORTED, WEEK - MICROSECOND)):
        for cohort in cohorts(censuses, MONDAY, span, measure):
            members = [life for life in lives if week_of(life[0][0]) == cohort.week.isoformat()]
            assert len(cohort.stays) == age_of(cohort.week.isoformat(), MONDAY)
            for stay in filter(None, cohort.stays):
                at = MONDAY - WEEK * (len(cohort.stays) - stay.age)
                counted = [life for life in members if life[0][0] <= at and not (life[1] and life[1] <= at)]
                assert (stay.size, stay.there) == (len(counted), sum(is_there(life, at, within) for life in counted))


# Each of those who stay until they leave: the moment of the first report, and how many days it then goes on reporting.
STAYS = st.lists(st.tuples(MOMENTS, st.integers(0, WEEKS * 7)), min_size=1, max_size=12)


@settings(max_examples=120, deadline=None, database=None)
@given(STAYS, st.integers(1, WEEKS))
def test_the_curve_is_that_of_kaplan_and_meier_where_nobody_comes_back(stays, span):
    window = DAY * 7
    lives = [([first + DAY * day for day in range(days + 1)], None) for first, days in stays]
    mondays = [MONDAY - WEEK * back for back in range(span)]
    read = documents(lives, mondays, window)
    censuses = {datetime.fromisoformat(at): document["cohorts"] for at, document in read.items()}

    for one in curve(censuses, Measure.ACTIVE):
        share = 1.0
        for age in range(1, one.age + 1):
            # At risk: who was there at a Monday, that age less a week old, and was looked at a week later again.
            pairs = [
                (is_there(life, at - WEEK, window), is_there(life, at, window))
                for at in mondays[:-1]
                for life in lives
                if age_of(week_of(life[0][0]), at) == age and life[0][0] <= at - WEEK
            ]
            at_risk = sum(before for before, _ in pairs)
            events = sum(before and not after for before, after in pairs)
            share = share * (1 - events / at_risk) if at_risk else 0.0
        assert one.share == pytest.approx(share)


@pytest.mark.parametrize("weekday", range(7))
def test_a_week_begins_on_monday(weekday):
    assert monday(MONDAY + DAY * weekday + HOUR * 23) == MONDAY
    assert monday(MONDAY - MICROSECOND) == MONDAY - WEEK
