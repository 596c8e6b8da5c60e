"""The rules that hold the house together: which way imports go, which modules are pure, what is vendored."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import unfold
from django.template.loader import get_template

ROOT = Path(__file__).parent.parent
# Each may import itself and what stands before it.
ORDER = ["instances", "metrics", "dashboard"]
# These know nothing of Django, so that they can be read, tested and measured by themselves.
PURE = [
    "instances/ed25519.py",
    "instances/detectors/credentials.py",
    "instances/detectors/machines.py",
    "instances/detectors/people.py",
    "instances/detectors/spans.py",
    "instances/keywords.py",
    "instances/personal.py",
    "instances/rates.py",
    "instances/slugs.py",
    "instances/wire.py",
    "metrics/adoption.py",
    "metrics/bounds.py",
    "metrics/census.py",
    "metrics/figures.py",
    "metrics/flatten.py",
    "metrics/keys.py",
    "metrics/lifecycle.py",
    "metrics/periods.py",
    "metrics/rhythm.py",
    "metrics/screening.py",
    "metrics/together.py",
    "metrics/units.py",
    "metrics/usual.py",
    "metrics/versions.py",
    "dashboard/asking.py",
    "dashboard/lifeline.py",
    "dashboard/numbers.py",
    "dashboard/pulse.py",
    "dashboard/ranks.py",
    "dashboard/svg.py",
    "shm_site/arriving.py",
]
CHART = ROOT / "dashboard/static/unfold/js/chart"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_one_way(package):
    later = set(ORDER[ORDER.index(package) + 1 :])
    for path in (ROOT / package).rglob("*.py"):
        assert later.isdisjoint(name.split(".")[0] for name in imported(path)), path


@pytest.mark.parametrize("path", PURE)
def test_pure_modules_import_no_django(path):
    assert not [name for name in imported(ROOT / path) if name.split(".")[0] in ("django", "rest_framework")]
    assert not [name for name in imported(ROOT / path) if name.endswith((".models", ".settings"))]


def test_the_vendored_chart_library_is_the_version_that_is_stated():
    stated = (CHART / "README.md").read_text().split()[1].rstrip(",")
    first_lines = (CHART / "chart.js").read_text()[:200]
    assert f"Chart.js v{stated}\n" in first_lines
    assert "MIT License" in (CHART / "LICENSE").read_text()


def test_the_vendored_chart_library_takes_the_place_of_the_shell_s_own():
    from django.contrib.staticfiles import finders

    assert finders.find("unfold/js/chart/chart.js") == str(CHART / "chart.js")


def test_the_theme_has_the_colours_that_the_shell_wants():
    from unfold.settings import CONFIG_DEFAULTS

    css = (ROOT / "dashboard/static/dashboard/theme.css").read_text()
    colours = dict(re.findall(r"--color-([a-z]+-[\w-]+): (.+);", css))
    wanted = CONFIG_DEFAULTS["COLORS"]
    assert set(colours) == {f"{name}-{weight}" for name, weights in wanted.items() for weight in weights}
    for name in ("base", "font"):
        assert {weight: colours[f"{name}-{weight}"] for weight in wanted[name]} == wanted[name]


# The shell's templates that have one of ours in their place, by the digest of the shell's own that ours was made from.
REPLACED = {
    "admin/base.html": "2ce9250b3c649e3a",
    "admin/object_history.html": "276be0d3eb1c5eaa",
    "admin/login.html": "13deb7765ce36659",
    "registration/logged_out.html": "cad8c8cf769b9e91",
    "unfold/helpers/empty_results.html": "5f4727a37a99da76",
    "unfold/helpers/edit_inline/tabular_heading.html": "eef46d03bc1655ad",
    "unfold/helpers/language_switch.html": "f3ad5b63f6f9908b",
    "unfold/helpers/navigation_user.html": "4c9ba58b3f215326",
    "unfold/layouts/skeleton.html": "66af9f0bb45f98ba",
    "unfold/layouts/unauthenticated.html": "768501529f1a8dae",
}


@pytest.mark.parametrize("name", REPLACED)
def test_the_shell_s_templates_are_those_that_ours_were_made_from(name):
    """After an upgrade of the shell: see what has changed there, take it over, and note the new digest."""
    shell = Path(unfold.__file__).parent / "templates" / name
    assert hashlib.sha256(shell.read_bytes()).hexdigest()[:16] == REPLACED[name]
    assert get_template(name).origin.name == str(ROOT / "templates" / name)


def test_each_replaced_template_is_listed():
    ours = {str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html")}
    shells = Path(unfold.__file__).parent / "templates"
    replaced = {name for name in ours if (shells / name).is_file()}
    assert replaced == set(REPLACED)
