from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class MetricsConfig(AppConfig):
    name = "metrics"
    verbose_name = gettext_lazy("Metrics")

    def ready(self) -> None:
        from metrics import flags  # noqa: F401 - from now on it hears of what registrations held
