from django.urls import path

from ledger import views

urlpatterns = [
    path("", views.entries, name="entries"),
    path("telemetry/", views.telemetry_page, name="telemetry"),
]
