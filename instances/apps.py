from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class InstancesConfig(AppConfig):
    name = "instances"
    verbose_name = gettext_lazy("Fleet")
