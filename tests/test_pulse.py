"""The pulse: tiny bars of the reports of the last hours."""

import pytest

from dashboard.pulse import HEIGHT, LEAST, NONE, Pulse


def heights(*hours):
    """The height of each bar, by its place."""
    bars = Pulse(hours, now=0, usual=None).path.split("M")[1:]
    return [float(bar.split("v-")[1].split("h")[0]) for bar in bars]


def test_bars_are_as_high_as_the_hours_are_busy():
    assert heights(50, 100, 25) == [HEIGHT / 2, HEIGHT, HEIGHT / 4]


def test_an_hour_without_a_report_is_told_from_one_with_few():
    assert heights(1000, 1, 0) == [HEIGHT, LEAST, NONE]
    assert heights(0, 0) == [NONE, NONE]


def test_an_hour_of_which_nothing_is_known_has_no_bar():
    assert len(heights(None, 5, None, 0)) == 2
    assert Pulse([None, 5], 0, None).path.startswith("M60.0 ")
    assert Pulse([None, None], 0, None).path == ""
    assert not Pulse([None, None], 0, None).is_known
    assert Pulse([None, 0], 0, None).is_known


@pytest.mark.parametrize(("usual", "said"), [(None, None), (0.0, 0), (414.4, 414)])
def test_what_is_usual_is_said_in_whole_instances(usual, said):
    assert Pulse([], 0, usual).usually == said
