from django.contrib import admin
from django.urls import include, path, re_path

from instances.views import DescriptionView, HealthcheckView, no_such_endpoint, ready

# Clients join their server's URL and a path as they are: one configured with a trailing slash asks for //v1/register.
urlpatterns = [
    re_path(r"^/*v1/", include("metrics.urls")),  # First, because snapshots are nearly all that ever comes.
    re_path(r"^/*v1/", include("instances.urls")),
    re_path(r"^/*api/v1/healthcheck$", HealthcheckView.as_view(), name="healthcheck"),
    re_path(r"^/*api/openapi\.yaml$", DescriptionView.as_view(), name="description"),
    path("readyz", ready, name="ready"),
    re_path(r"^/*(?:v1|api)/", no_such_endpoint),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]

handler400 = "shm_site.errors.bad_request"
handler500 = "shm_site.errors.server_error"
