"""What the README says is held together with the code; test_recipes.py runs what it shows."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from shm_sdk import Config, consent, identity, state
from shm_sdk.folder import Folder
from tests.programs import PACKAGE
from tests.readme import blocks, table


def test_it_lists_each_field_of_the_configuration_with_its_default():
    told = {name.strip("`"): default.strip("`") for name, default, _ in table("Configuration")}

    defaults = {
        field.name: "" if field.default is dataclasses.MISSING else str(field.default)
        for field in dataclasses.fields(Config)
    }
    assert told == defaults


def test_it_names_variables_that_count(config, monkeypatch):
    (silencing,) = [names for names, _ in table("Environment variables") if "`CI`" in names]
    assert set(re.findall(r"`(\w+)`", silencing)) <= set(consent.CI_VARIABLES)
    for variable in ("DO_NOT_TRACK", *re.findall(r"`(\w+)`", silencing)):
        monkeypatch.setenv(variable, "1")
        assert variable in consent.refusal(config)
        monkeypatch.delenv(variable)


def test_it_lists_each_file_of_the_data_folder(config):
    told = {name.strip("`") for name, _ in table("Files in the data folder")}

    kept = (identity.FILE, identity.NEXT_FILE, state.FILE, state.UNSENT_FILE, "lock")
    paths = {Folder(config).file(name) for name in kept} | {consent.opt_out_file(config)}
    assert told == {path.name for path in paths}


def test_it_shows_all_that_is_sent(make_reporter, make_config, server):
    registration, snapshot = map(json.loads, blocks("What is sent", "json"))
    counted = {"documents_created": 123, "active_users": 42}
    make_reporter(lambda: counted, make_config(environment="production")).tick()

    assert set(server.requests[0][1]) == set(registration)
    assert set(server.snapshots[0]) == set(snapshot)
    assert set(server.snapshots[0]["metrics"]) == set(snapshot["metrics"])


@pytest.mark.parametrize("path", sorted([PACKAGE / "README.md", *(PACKAGE / "examples").rglob("*.md")]), ids=str)
def test_its_code_is_python(path: Path):
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)):
        compile(code, f"{path.name}, block {number}", "exec")
