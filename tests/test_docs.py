"""What the documentation says is held together with the code."""

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.urls import URLPattern

from instances import urls as instances_urls
from metrics import urls as metrics_urls
from metrics.keys import aggregation_of, unit_of
from metrics.models import Snapshot
from metrics.units import Aggregation, Unit

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("shm_site", "instances", "metrics", "dashboard")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# Those of the clients, whose files and commands are not the server's.
CLIENTS = sorted((ROOT / "sdk").glob("*/**/*.md"))
API = (ROOT / "docs/api.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|yml|toml|txt|sh)|(?:[\w.-]+/)+)`")


def sources():
    for package in PRODUCT:
        for path in (ROOT / package).rglob("*.py"):
            yield path, ast.parse(path.read_text())


def calls_of_env():
    """The first arguments of env.text("NAME"), env.integer(...) and so on, where they are plain strings."""
    for _, tree in sources():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[ast.Constant(value=str(name)), *_]):
                    yield name
                case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[ast.List(elts=names), *_]):
                    yield from (name.value for name in names if isinstance(name, ast.Constant))


RECORD = """
import json
from shm_site import env
read, values = env._read, {}
def recorded(name, *arguments):
    values[name] = read(name, *arguments)
    return values[name]
env._read = recorded
import shm_site.settings, shm_site.gunicorn
print(json.dumps(values, default=str))
"""


def values_read(**variables):
    """All that the settings read, by variable: the names that are put together at run time are among them."""
    environment = {"PATH": os.environ["PATH"], "SHM_SECRET_KEY": "x" * 50, "DATABASE_URL": "postgres://host/name"}
    command = [sys.executable, "-c", RECORD]
    done = subprocess.run(command, cwd=ROOT, env={**environment, **variables}, check=True, capture_output=True)
    return json.loads(done.stdout)


def documented():
    """The variables of the first table with their defaults; the second is of what the code does not read."""
    table = SETTINGS.partition("## Read by compose.yml alone")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))


def test_every_variable_is_documented_and_the_other_way_round():
    assert set(documented()) == set(calls_of_env()) | set(values_read())


def test_documented_defaults_are_the_defaults():
    shown = {name: default.strip("`") for name, default in documented().items() if re.fullmatch("`[^`]+`", default)}
    assert len(shown) > 15
    unset, given = values_read(), values_read(**shown)
    assert {name: given[name] for name in shown if name in given} == {
        name: unset[name] for name in shown if name in unset
    }


def headings(path):
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", [*DOCUMENTS, *CLIENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for is_image, target in LINK.findall(FENCE.sub("", document.read_text())):
        if target.startswith("https://") or (is_image and not (ROOT / "docs/images").exists()):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor in headings(path), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_mentioned_exist(document):
    for name in FILE.findall(FENCE.sub("", document.read_text())):
        # A single name may be that of a file in any of the folders.
        places = [
            ROOT / name,
            document.parent / name,
            *(ROOT / package / name for package in PRODUCT),
            ROOT / "tests" / name,
        ]
        # Folders of data are made at run time.
        assert name.startswith("data/") or any(place.exists() for place in places), f"{document.name} mentions {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_mentioned_exist(document):
    text = document.read_text()
    of_client = {path.stem for path in (ROOT / "sdk/python/src/shm_sdk/django/management/commands").glob("[a-z]*.py")}
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands()) | of_client
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets


def codes_in(tree):
    """The codes of refusals, wherever they are written."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="default_code")], value=ast.Constant(value=code)):
                yield code
            case ast.Call(func=ast.Name(id="Malformed"), args=[ast.Constant(value=str(code)), *_]):
                yield code
            case ast.Call(func=ast.Name(id="InvalidBody"), args=[_, ast.Constant(value=str(code))]):
                yield code
            case ast.Call(func=ast.Name(id="Refusal"), args=[_, ast.Constant(value=str(code)), _]):
                yield code
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "code" and isinstance(value, ast.Constant):
                        yield value.value


def test_every_error_code_is_documented_and_the_other_way_round():
    from instances.serializers import Registration

    codes = {code for _, tree in sources() for code in codes_in(tree)}
    codes |= {f"invalid_{field}" for field in Registration().fields} | {"method_not_allowed", "rate_limited"}
    table = API.partition("## Errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d[\d, ]+ \| (.*?) \|", table, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes


def test_every_endpoint_is_documented():
    for pattern in [*instances_urls.urlpatterns, *metrics_urls.urlpatterns]:
        assert isinstance(pattern, URLPattern)
        assert f"`POST /v1/{pattern.pattern}`" in API


NAMED_TEST = re.compile(r"\b((?:\w+/)?test_\w+\.py)::(test_\w+)")


def functions_in(name):
    tree = ast.parse((ROOT / "tests" / name).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tests_that_are_mentioned_exist(document):
    for name, test in NAMED_TEST.findall(document.read_text()):
        assert test in functions_in(name), f"{document.name} mentions {name}::{test}"


def test_each_promise_of_security_names_the_tests_that_hold_it_and_each_attack_is_told_of():
    text = (ROOT / "docs/security.md").read_text()
    promises = text.partition("## What is promised")[2].partition("## What is not promised")[0]
    rows = re.findall(r"^\| (?!promise \|)(.*) \| (.*) \|$", promises, re.MULTILINE)

    assert len(rows) > 30
    assert [promise for promise, held_by in rows if not NAMED_TEST.search(held_by)] == []
    told = {(name, test) for name, test in NAMED_TEST.findall(text) if name.startswith("attacks/")}
    files = [f"attacks/{path.name}" for path in (ROOT / "tests/attacks").glob("test_*.py")]
    assert told == {(name, test) for name in files for test in functions_in(name) if test.startswith("test_")}


@pytest.mark.django_db(transaction=True)
def test_the_worked_example_works(live_server, no_limits):
    report, actions = re.findall(r"```python\n(.*?)```", API, re.DOTALL)
    reported, acted = re.findall(r"```text\n(.*?)```", API, re.DOTALL)
    assert "http://localhost:8080" in report
    names = {"__name__": "example"}

    def printed_by(code):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(code.replace("http://localhost:8080", live_server.url), names)
        return output.getvalue()

    assert printed_by(report) == reported
    [snapshot] = Snapshot.objects.all()
    assert snapshot.metrics["db"] == {"size_mb": 12.5}
    assert snapshot.instance.last_report_at - snapshot.instance.registered_at < timedelta(minutes=1)

    assert printed_by(actions) == acted
    assert not Snapshot.objects.exists()


def test_the_numbers_that_authors_are_shown_can_be_sent_and_keep_to_what_they_are_told(tmp_path):
    """docs/applications.md; the client's own tests run what is in its README."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/applications.md").read_text(), re.DOTALL)
    (tmp_path / "file").write_text("12345")
    names: dict[str, Any] = {}
    exec(code, names)

    entries = [{"age_days": 3, "currency": "EUR"}, {"age_days": 99, "currency": "USD"}]
    sent = names["numbers"](entries, tmp_path)

    assert sent == {
        "entries": 2,
        "entries_last_30_days": 1,
        "feature": {"currencies": True},
        "storage_bytes": 5,
        "db": {"engine": "sqlite"},
    }


def test_keys_that_authors_are_shown_mean_what_they_are_told():
    text = (ROOT / "docs/applications.md").read_text()
    meanings = {
        "documents": (Unit.NUMBER, Aggregation.SUM),
        "documents_last_30_days": (Unit.NUMBER, Aggregation.SUM),
        "logins_last_30_days": (Unit.NUMBER, Aggregation.SUM),
        "storage_bytes": (Unit.BYTES, Aggregation.SUM),
        "search_ms_p95": (Unit.MILLISECONDS, Aggregation.MEDIAN),
        "backup_seconds": (Unit.SECONDS, Aggregation.MEDIAN),
        "cache_hit_ratio": (Unit.RATIO, Aggregation.MEDIAN),
    }
    for key, meaning in meanings.items():
        assert f"`{key}`" in text
        assert (unit_of(key), aggregation_of(key)) == meaning
