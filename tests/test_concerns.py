"""The rules that say what needs a look: each with facts that raise it and facts that do not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard.concerns import RULES, Urgency, concerns
from instances.models import Application
from metrics.facts import Facts, Flagged
from metrics.headcounts import Headcount
from metrics.usual import Lost
from tests.clock import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def facts(application=None, counts=None, **fields):
    """Of a fleet with which all is well, but for what is given."""
    one = Application(pk=7, slug="ledger", name="Ledger", **(application or {}))
    well = {"active": 100, "reporting": 100, "last_seen_at": NOW - MINUTE}
    usual = {"usual_reporting": 100.0, "usual_active": 100.0, "usual_heard": 100.0}
    return Facts(one, Headcount(NOW, **{**well, **(counts or {})}), **{**usual, **fields})


def raised(*arguments, **fields):
    return [concern.rule for concern in concerns(facts(*arguments, **fields))]


def only(*arguments, **fields):
    [concern] = concerns(facts(*arguments, **fields))
    return concern


def test_where_all_is_well_nothing_needs_a_look():
    assert raised() == []


def test_neither_does_an_application_of_which_nothing_is_known():
    empty = {"active": 0, "reporting": 0, "last_seen_at": None}
    assert raised({}, empty, usual_reporting=None, usual_active=None, usual_heard=None) == []


@pytest.mark.parametrize(
    ("minutes", "age", "stops"),
    [
        (60, HOUR * 3, False),
        (60, HOUR * 3 + MINUTE, True),
        (60 * 24, HOUR * 72, False),
        (60 * 24, HOUR * 73, True),
        # One that reports each minute is given the time that an update takes.
        (1, MINUTE * 15, False),
        (1, MINUTE * 16, True),
    ],
)
def test_reports_have_stopped_after_three_that_are_missing(minutes, age, stops):
    made = raised({"report_minutes": minutes}, {"last_seen_at": NOW - age})

    assert made == (["stopped"] if stops else [])


@pytest.mark.parametrize(("active", "established", "stops"), [(1, 0, False), (2, 0, False), (1, 1, True), (3, 0, True)])
def test_a_report_or_two_of_a_first_try_are_nothing_that_could_stop(active, established, stops):
    counts = {"active": active, "established": established, "last_seen_at": NOW - HOUR * 5}

    assert raised({}, counts, usual_reporting=None, usual_active=None) == (["stopped"] if stops else [])


def test_reports_that_have_stopped_are_said_in_words():
    concern = only({}, {"last_seen_at": NOW - HOUR * 5})

    assert concern.urgency == Urgency.URGENT
    assert concern.what == "Reports have stopped: none has arrived for 5\xa0hours."
    assert concern.links[0].url == "/applications/ledger/#instances"


@pytest.mark.parametrize(
    ("active", "days", "urgency"), [(2, 7, Urgency.CHECK), (2, 8, None), (3, 7, Urgency.URGENT), (3, 8, Urgency.URGENT)]
)
def test_of_two_instances_that_stop_there_is_no_alarm_and_after_a_week_no_word(active, days, urgency):
    counts = {"active": active, "established": active, "reporting": 0, "last_seen_at": NOW - HOUR * 24 * days}
    made = concerns(facts({}, counts, usual_active=float(active), usual_reporting=0.0))

    assert [concern.urgency for concern in made] == ([urgency] if urgency else [])


def test_of_a_fleet_without_an_active_instance_no_report_is_expected():
    long_gone = {"active": 0, "reporting": 0, "last_seen_at": NOW - HOUR * 24 * 90}
    assert raised({}, long_gone, usual_active=0.0, usual_reporting=0.0) == []


@pytest.mark.parametrize(("reporting", "usual", "fewer"), [(70, 100.0, True), (71, 100.0, False), (0, 9.0, False)])
def test_fewer_reports_than_usual(reporting, usual, fewer):
    made = concerns(facts({}, {"reporting": reporting}, usual_reporting=usual))

    assert [concern.rule for concern in made] == (["fewer_reports"] if fewer else [])
    if fewer:
        assert made[0].what.startswith("70 instances have reported in the last 24 hours; ")
        assert "usually 100" in made[0].what


def test_of_a_single_instance_that_has_reported_it_is_said_in_the_singular():
    concern = only({}, {"reporting": 1}, usual_reporting=1234.0)

    assert concern.what == (
        "1 instance has reported in the last 24 hours; on this day of the week it is usually 1,234."
    )


@pytest.mark.parametrize(("active", "fewer"), [(70, True), (71, False)])
def test_a_fleet_that_has_shrunk(active, fewer):
    assert raised({}, {"active": active}) == (["fewer_active"] if fewer else [])


def test_of_what_has_one_cause_the_first_sign_is_said_alone():
    counts = {"active": 60, "reporting": 0}

    assert raised({}, {**counts, "last_seen_at": NOW - HOUR * 24}) == ["stopped"]
    assert raised({}, counts) == ["fewer_reports"]
    assert raised({}, {**counts, "reporting": 90}) == ["fewer_active"]


def test_lost_metrics_are_named():
    one = only({}, {}, lost=[Lost("users", 80, 12)])
    many = only({}, {}, lost=[Lost(key, 1200, 0) for key in "abcde"])

    assert one.rule == "lost_metrics"
    assert one.what == "1 metric comes from far fewer instances than a week ago: \u2068users\u2069 (80 → 12)."
    assert many.what.startswith("5 metrics come from")
    assert many.what.endswith("\u2068c\u2069 (1,200 → 0), ….")
    assert "\u2068d\u2069" not in many.what


def test_lost_metrics_come_with_the_release_of_that_time():
    without, after = (only({}, {}, lost=[Lost("users", 80, 12)], release=release) for release in ("", "2.6.0"))

    assert without.do.startswith("If a release renamed")
    assert after.do.startswith("\u20682.6.0\u2069 was released meanwhile.")


def test_personal_data_that_is_removed():
    assert only({}, {}, removed=Flagged(1, "owner")).what.endswith("before it is stored: \u2068owner\u2069.")
    assert only({}, {}, removed=Flagged(3, "owner")).what.startswith("Personal data is sent under 3 keys")
    assert only({}, {}, removed=Flagged(3, "owner")).rule == "removed_data"


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ({"left_out": 1}, "Instances send too many different keys: 1 is not counted."),
        ({"left_out": 1200, "uncounted": Flagged(1, "a")}, "Instances send too many different keys: 1,200 are not"),
        ({"uncounted": Flagged(1, "a")}, "What is sent under 1 key is too long, or too much, to be counted: \u2068a"),
        ({"uncounted": Flagged(2, "a")}, "What is sent under 2 keys is too long"),
        ({"uncounted": Flagged(1, "")}, "Instances send snapshots with too many keys"),
    ],
)
def test_what_is_not_counted(found, what):
    concern = only({}, {}, **found)

    assert concern.rule == "uncounted_keys"
    assert concern.what.startswith(what)


@pytest.mark.parametrize(
    ("rule", "urgency", "given", "what", "link"),
    [
        ("conflicts", Urgency.CHECK, {"conflicts": 2}, "In the last 7 days 2 instances were", "?kind=conflict"),
        ("no_token", Urgency.CHECK, {"lacks_token": True}, "Nobody can register", "?application=7"),
    ],
)
def test_conflicts_and_missing_tokens(rule, urgency, given, what, link):
    concern = only({}, {}, **given)

    assert (concern.rule, concern.urgency) == (rule, urgency)
    assert concern.what.startswith(what)
    assert concern.links[0].url.endswith(link)


@pytest.mark.parametrize(
    ("rule", "urgency", "counts", "what", "link"),
    [
        ("wrong_clocks", Urgency.CHECK, {"wrong_clocks": 1}, "The clock of 1 instance is", "?kind=wrong_clock"),
        ("wrong_clocks", Urgency.CHECK, {"wrong_clocks": 2}, "The clocks of 2 instances are", "?kind=wrong_clock"),
        ("waiting", Urgency.DECIDE, {"waiting": 1}, "1 instance waits", "?state=waiting#instances"),
        ("waiting", Urgency.DECIDE, {"waiting": 2}, "2 instances wait", "?state=waiting#instances"),
    ],
)
def test_wrong_clocks_and_who_waits(rule, urgency, counts, what, link):
    concern = only({}, counts)

    assert (concern.rule, concern.urgency) == (rule, urgency)
    assert concern.what.startswith(what)
    assert concern.links[0].url.endswith(link)


def test_an_application_that_came_up_by_itself_is_the_affair_of_who_may_confirm_it():
    concern = only({"is_confirmed": False})

    assert (concern.rule, concern.permission) == ("unconfirmed", "instances.change_application")


def everything():
    """One of each kind at once."""
    return facts(
        {"is_confirmed": False},
        {"waiting": 1, "wrong_clocks": 1, "reporting": 1},
        lost=[Lost("users", 80, 12)],
        removed=Flagged(1, "owner"),
        left_out=1,
        conflicts=1,
        lacks_token=True,
    )


def test_the_most_urgent_comes_first():
    made = concerns(everything())

    assert [concern.urgency for concern in made] == sorted((concern.urgency for concern in made), reverse=True)
    assert len({concern.rule for concern in made}) == len(RULES) - 2  # Those that the first sign stands for.


def test_each_says_what_to_do_and_where():
    all_kinds = everything()
    stopped = replace(all_kinds, headcount=replace(all_kinds.headcount, last_seen_at=NOW - HOUR * 24))
    shrunk = facts({}, {"active": 60})

    for concern in [*concerns(all_kinds), *concerns(stopped), *concerns(shrunk)]:
        assert concern.what.endswith("."), concern.rule
        assert concern.do.endswith("."), concern.rule
        assert concern.links, concern.rule
        assert concern.urgency.words


def test_a_long_or_hostile_key_neither_fills_the_sentence_nor_turns_it_around(hostile):
    for key in hostile:
        what = only({}, {}, lost=[Lost(key, 80, 12)]).what
        assert len(what) < 130
        assert what.count("\u2068") == what.count("\u2069") == 1
        assert what.endswith("\u2069 (80 → 12).")
