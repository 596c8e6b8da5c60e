"""What is published: it builds, holds what it should and nothing else, and works where nothing of this folder is."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built):
    (wheel,) = built.glob("shm_sdk-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))

    source = ROOT / "src"
    modules = {str(path.relative_to(source)) for path in source.rglob("*.py")} | {"shm_sdk/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == modules
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")] == [
        "Requires-Dist: pynacl>=1.4"
    ]
    assert "Requires-Python: >=3.9" in metadata
    assert "License-Expression: MIT" in metadata


def test_the_sdist_can_be_read_and_built_by_others(built):
    (sdist,) = built.glob("shm_sdk-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}

    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "src/shm_sdk/client.py"} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_what_is_installed_works_by_itself(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    # PyNaCl is taken from where the tests run: what is asked here is whether the package itself is whole.
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel],
        check=True,
    )
    program = "from shm_sdk import Config, SHMClient; print(SHMClient(Config('', 'Ledger', '1')).refusal)"
    done = subprocess.run([python, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("server_url is ''")
