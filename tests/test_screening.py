import json

import pytest

from metrics import bounds, screening
from metrics.flatten import scalars
from metrics.screening import COLLISION, LONG_KEY, LONG_TEXT, MANY_KEYS, Finding, left_out, screen

EMAIL = "[removed: e-mail address]"
HARMLESS = {
    "documents": 5,
    "ratio": 0.5,
    "sys_os": "linux",
    "db": {"engine": "postgres 16.2"},
    "on": True,
    "none": None,
}


def test_harmless_metrics_are_the_very_same_object():
    for _ in range(2):
        assert screen(HARMLESS).metrics is HARMLESS
        assert screen(HARMLESS).findings == []


def test_a_whole_text_is_replaced_and_the_rest_stays():
    metrics = {"documents": 5, "error": "no mail to alice@example.com", "big": 2**70}

    clean, findings = screen(metrics)

    assert clean == {"documents": 5, "error": EMAIL, "big": 2**70}
    assert findings == [Finding("error", "email")]
    assert metrics["error"] == "no mail to alice@example.com"


def test_it_looks_into_objects_and_arrays():
    metrics = {"a": [1, ["bob@example.com", {"path": "/home/bob"}]], "b": {"c": {"owner": "203.0.113.77"}}}

    clean, findings = screen(metrics)

    assert clean == {
        "a": [1, [EMAIL, {"path": "[removed: path of a user's folder]"}]],
        "b": {"c": {"owner": "[removed: IP address]"}},
    }
    assert findings == [Finding("a", "email"), Finding("a.path", "home"), Finding("b.c.owner", "ip")]


def test_no_finding_holds_what_was_removed():
    mark = "alice.q.public@example.com"
    metrics = {f"users.{mark}.logins": 1, mark: {mark: [mark, {mark: mark}]}, "x": mark}

    assert mark not in json.dumps(screen(metrics))
    assert "alice" not in json.dumps(screen(metrics))


def test_of_two_keys_that_become_one_the_first_stays():
    metrics = {"users": {"alice@example.com": 1, "bob@example.com": 2, "other": 3}}

    clean, findings = screen(metrics)

    assert clean == {"users": {EMAIL: 1, "other": 3}}
    assert findings.count(Finding(f"users.{EMAIL}", COLLISION)) == 1
    assert Finding(f"users.{EMAIL}", "email") in findings


def test_what_is_allowed_is_kept():
    metrics = {"engine": "10.4.0.1", "owner": "alice@example.com", "to": {"10.4.0.1": 2}}
    every = {finding.key for finding in screen(metrics).findings}

    assert screen(metrics, {"engine"}).metrics["engine"] == "10.4.0.1"
    assert screen(metrics, {"engine"}).metrics["owner"] == EMAIL
    assert screen(metrics, every) == (metrics, [])


def test_long_paths_are_named_by_their_beginning():
    [finding] = screen({"k" * 5000: {"mail": "alice@example.com"}}).findings

    assert len(finding.key) == screening.LONGEST_PATH
    assert screen({"k" * 5000: {"mail": "alice@example.com"}}, {finding.key}).findings == []


def test_what_is_remembered_is_bounded_and_never_personal():
    screening._harmless_keys.clear()
    screening._harmless_texts.clear()

    for number in range(screening._REMEMBERED + 50):
        screen({f"key{number}": f"text{number}"})
    screen({"x" * 1000: "y" * 1000, "owner": "alice@example.com", "bob@example.com": 1})

    assert len(screening._harmless_keys) <= screening._REMEMBERED
    assert len(screening._harmless_texts) <= screening._REMEMBERED
    remembered = repr(screening._harmless_keys) + repr(screening._harmless_texts)
    assert "example.com" not in remembered
    assert "xxxxxxxxxx" not in remembered


# Bounds


def test_a_snapshot_within_the_bounds_is_counted_whole():
    metrics = {f"k{number}": number for number in range(bounds.MAX_KEYS - 1)} | {"k" * 200: "v" * 200}

    assert scalars(metrics) == metrics
    assert left_out(metrics) == []


@pytest.mark.parametrize(
    ("metrics", "finding"),
    [
        ({"k" * 201: 1}, Finding("k" * 199 + "…", LONG_KEY)),
        ({"a" * 100: {"b" * 100: 1}}, Finding("a" * 100 + "." + "b" * 98 + "…", LONG_KEY)),
        ({"text": "v" * 201}, Finding("text", LONG_TEXT)),
        ({"deep": {"text": "v" * 201}}, Finding("deep.text", LONG_TEXT)),
        ({f"k{number}": number for number in range(501)}, Finding("", MANY_KEYS)),
        ({f"o{outer}": {f"k{number}": 1 for number in range(10)} for outer in range(51)}, Finding("", MANY_KEYS)),
    ],
)
def test_what_is_beyond_a_bound_is_left_out_and_said(metrics, finding):
    assert left_out(metrics) == [finding]
    assert len(scalars({**metrics, "a": 1})) in (1, bounds.MAX_KEYS)
    assert scalars({**metrics, "a": 1})["a"] == 1


def test_leaves_that_are_never_counted_take_no_room():
    metrics = {f"k{number}": [number] for number in range(1000)} | {"z": 1, "text": ["v" * 999]}

    assert scalars(metrics) == {"z": 1}
    assert left_out(metrics) == []


def test_the_same_snapshot_keeps_the_same_keys_in_whatever_order_it_is_sent():
    names = [f"k{number}" for number in range(900)]

    first, second = scalars(dict.fromkeys(names, 1)), scalars(dict.fromkeys(reversed(names), 1))

    assert first == second
    assert list(first) == sorted(names)[: bounds.MAX_KEYS]
