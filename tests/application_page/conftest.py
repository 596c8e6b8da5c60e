"""The page of an application as a viewer gets it."""

from urllib.parse import urlencode

import pytest

from tests.application_page.reading import URL


@pytest.fixture
def get(visit, ledger):
    """The page as the viewer gets it, for the query given."""
    return lambda query="", path=URL: visit(f"{path}?{query if isinstance(query, str) else urlencode(query)}")
