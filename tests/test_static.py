"""Static files as they are served: each under a name of its own content, and no other."""

import re

import pytest
from django.contrib.staticfiles.finders import get_finders

from shm_site.static import StaticFiles


@pytest.fixture
def collected(tmp_path):
    """The project's own files as collectstatic leaves them."""
    storage = StaticFiles(location=tmp_path, base_url="/static/")
    found = {}
    for finder in get_finders():
        for path, source in finder.list([]):
            if path.startswith("dashboard/"):
                found[path] = (source, path)
                with source.open(path) as file:
                    storage.save(path, file)
    assert found
    assert all(not isinstance(done, Exception) for *_, done in storage.post_process(found))
    return tmp_path / "dashboard"


def test_what_a_script_imports_is_there_under_the_name_that_it_asks_for(collected):
    imported = {
        name for script in collected.glob("*.js") for name in re.findall(r'from "\./([^"]+)"', script.read_text())
    }

    assert {re.sub(r"\.\w+\.js$", ".js", name) for name in imported} == {"numbers.js", "number_rules.js", "pictures.js"}
    assert all((collected / name).exists() for name in imported)
    assert not (collected / "numbers.js").exists()
