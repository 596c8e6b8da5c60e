from django.apps import AppConfig
from django.contrib.admin import apps


class DashboardConfig(AppConfig):
    name = "dashboard"
    default = True

    def ready(self) -> None:
        from shm_site import checks  # noqa: F401 - registers them


class SiteConfig(apps.AdminConfig):
    """Django's admin, with the site that all pages share."""

    default = False
    default_site = "dashboard.site.Site"
