from django.apps import AppConfig
from django.contrib.admin import apps


class DashboardConfig(AppConfig):
    name = "dashboard"
    default = True


class SiteConfig(apps.AdminConfig):
    """Django's admin, with the site that all pages share."""

    default = False
    default_site = "dashboard.site.Site"
