"""The site's WSGI application, whose overview fails as a bug would make it."""

from typing import NoReturn

from shm_site.wsgi import application

__all__ = ["application"]


def fail(*arguments: object) -> NoReturn:
    raise RuntimeError("a bug")


from dashboard import views  # noqa: E402 - only once the site has been set up

views.OverviewPage = fail  # type: ignore[assignment]
