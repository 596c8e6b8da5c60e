import pytest

from tests.installation import Installation


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        for item in items:
            if item.get_closest_marker("postgres"):
                item.add_marker(pytest.mark.skip(reason="needs PostgreSQL"))


@pytest.fixture
def no_limits(settings):
    settings.RATELIMIT_ENABLED = False


@pytest.fixture
def installation(db) -> Installation:
    """Registered and activated."""
    installation = Installation()
    assert installation.register().status_code == 201
    assert installation.activate().status_code == 200
    return installation
