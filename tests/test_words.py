"""Lengths of time in words."""

from datetime import timedelta

import pytest

from dashboard.words import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "60 seconds"),
        (90, "2 minutes"),
        (59 * 60, "59 minutes"),
        (3590, "1 hour"),
        (3600, "1 hour"),
        (90 * 60, "90 minutes"),
        (6 * 3600, "6 hours"),
        (86400, "1 day"),
        (86400 - 60, "1 day"),
        (36 * 3600, "36 hours"),
        (48 * 3600, "2 days"),
        (699 * 86400, "699 days"),
    ],
)
def test_a_length_is_told_in_the_unit_that_needs_no_fraction(seconds, words):
    assert span(timedelta(seconds=seconds)) == words
