"""Each recipe of examples/ and of the README, run as its readers would run it: it has to report what it counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.programs import PACKAGE, SECONDS, Program
from tests.readme import blocks
from tests.server import Server

EXAMPLES = PACKAGE / "examples"


class Place(Program):
    """A folder with the module of a recipe in it, and a server that it reports to."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        said = {"DATA": str(folder / "data"), "TELEMETRY_URL": server.url}
        variables = {f"{name}_{what}": said[what] for name in ("NOTES", "THUMBNAILS", "BACKUP") for what in said}
        super().__init__(folder, variables, [folder])

    def put(self, name: str, code: str) -> None:
        """As it stands in the README, but for the server and the folder that it names."""
        code = code.replace("https://telemetry.example.org", self.server.url)
        code = re.sub(r"/var/lib/\w+", str(self.folder / "data"), code)
        (self.folder / name).write_text(code)

    def reported(self) -> dict:
        """The numbers of the first report, once they are here."""
        self.server.wait_for("/v1/snapshot", SECONDS)
        return self.server.snapshots[0]["metrics"]


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    return Place(server, tmp_path)


def recipe(file: str, title: str) -> pytest.MarkDecorator:
    """The same recipe from the folder of examples and from the README."""
    texts = {"example": (EXAMPLES / file).read_text(), "readme": blocks(title)[0]}
    return pytest.mark.parametrize("code", texts.values(), ids=texts.keys())


GUNICORN = ["-m", "gunicorn", "--bind=127.0.0.1:{port}", "--workers=2", "--graceful-timeout=1"]


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
@recipe("flask_app.py", "Flask")
def test_flask_under_gunicorn_reports_once_for_all_workers(place, code, preload):
    place.put("flask_app.py", code)
    with place.running(*GUNICORN, *preload, "flask_app:app"):
        metrics = place.reported()

    assert metrics["notes"] == 0
    assert place.server.paths.count("/v1/snapshot") == 1
    assert len(place.server.keys) == 1


def test_the_flask_example_counts_what_it_is_given(place):
    place.put("flask_app.py", (EXAMPLES / "flask_app.py").read_text())
    place.variables["DO_NOT_TRACK"] = "1"
    shown = place.run(
        "-c",
        "import flask_app; client = flask_app.app.test_client(); client.post('/', data={'text': 'Milk'});"
        "print(client.get('/').text, flask_app.numbers())",
    )

    assert '["Milk"]' in shown
    assert "{'notes': 1}" in shown


@recipe("fastapi_app.py", "FastAPI")
def test_fastapi_reports_while_it_serves(place, code):
    place.put("fastapi_app.py", code)
    with place.running("-m", "uvicorn", "--port={port}", "fastapi_app:app") as app:
        metrics = place.reported()

    assert metrics["notes"] == 0
    assert "Application shutdown complete" in app.text


def test_the_fastapi_example_counts_what_it_is_given(place):
    place.put("fastapi_app.py", (EXAMPLES / "fastapi_app.py").read_text())
    shown = place.run(
        "-c", "import fastapi_app as f; f.add('Milk'); print(f.notes(), f.numbers(), f.telemetry.refusal)"
    )

    assert shown == "['Milk'] {'notes': 1} \n"


@recipe("celery_app.py", "Celery")
@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_celery_worker_reports(place, code, pool):
    place.put("celery_app.py", code.replace("redis://localhost", "memory://"))
    with place.running("-m", "celery", "--app=celery_app", "worker", f"--pool={pool}", "--concurrency=2"):
        metrics = place.reported()

    assert metrics["thumbnails"] == 0
    assert place.server.paths.count("/v1/snapshot") == 1


@recipe("script.py", "Scripts and cron")
def test_a_script_has_reported_when_it_ends(place, code):
    place.put("script.py", code)
    (place.folder / "source").mkdir()
    (place.folder / "source/file").write_text("content")
    for _ in range(2):
        place.run("script.py", "source")

    assert place.reported()["files"] == 1
    assert place.server.paths.count("/v1/snapshot") == 1


def test_the_quick_start_reports_what_the_readme_says(place):
    place.put("quick.py", blocks("Quick start")[0])
    with place.running("-c", "import quick, threading; threading.Event().wait()"):
        metrics = place.reported()

    assert metrics["documents_created"] == 123
    assert metrics["active_users"] == 42
