"""The page of an application as a viewer gets it."""

from urllib.parse import urlencode

import pytest

from tests.application_page.reading import URL


@pytest.fixture
def get(client, viewer, ledger, clock):
    """The page as the viewer gets it, for the query given."""
    client.force_login(viewer)

    def get(query="", path=URL):
        response = client.get(f"{path}?{query}" if isinstance(query, str) else f"{path}?{urlencode(query)}")
        assert response.status_code == 200, query
        return response

    return get
