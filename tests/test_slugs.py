import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instances.slugs import MAX_LENGTH, slug_for


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ledger", "ledger"),
        ("My App", "my-app"),
        ("Über App_2", "uber-app-2"),
        ("  --Sploosh!!  v2.0--  ", "sploosh-v2-0"),
        ("Crème Brûlée", "creme-brulee"),
        ("app/../../etc", "app-etc"),
        ("x" * 100, "x" * 100),
        ("İstanbul", "istanbul"),
        ("ﬁle ２", "file-2"),
    ],
)
def test_it_makes_a_slug_of_a_name(name, slug):
    assert slug_for(name) == slug


def test_a_name_without_letters_gets_a_slug_of_its_own():
    assert re.fullmatch(r"app-[0-9a-f]{8}", slug_for("計測"))
    assert slug_for("計測") == slug_for("計測") != slug_for("測計")


def test_it_does_not_end_in_a_hyphen_where_a_long_name_is_cut():
    slug = slug_for("ﬁ" * 49 + "x" + " and more")

    assert slug == "fi" * 49 + "x"


@given(st.text(max_size=150))
def test_a_slug_always_fits_an_address(name):
    slug = slug_for(name)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= MAX_LENGTH
