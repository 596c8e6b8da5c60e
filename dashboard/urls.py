from django.contrib import admin
from django.urls import path

from dashboard import actions, badges, flags, preferences, releases, saved_views, views

app_name = "dashboard"

page = admin.site.admin_view

urlpatterns = [
    path("", page(views.overview_page), name="overview"),
    path("applications/<slug:slug>/", page(views.application_page), name="application"),
    path("applications/<slug:slug>/metric/", page(views.metric_page), name="metric"),
    path("applications/<slug:slug>/metric-settings/", page(views.metric_settings_page), name="metric_settings"),
    path("applications/<slug:slug>/instances.csv", page(views.instances_file), {"form": "csv"}, name="instances_csv"),
    path(
        "applications/<slug:slug>/instances.json", page(views.instances_file), {"form": "json"}, name="instances_json"
    ),
    path("applications/<slug:slug>/views/", page(views.saved_views_page), name="saved_views"),
    path("applications/<slug:slug>/views/<int:pk>/<slug:name>", page(saved_views.change), name="saved_view_action"),
    path("applications/<slug:slug>/versions/", page(views.versions_page), name="versions"),
    path("applications/<slug:slug>/releases/", page(releases.save), name="release"),
    path("applications/<slug:slug>/releases/<int:pk>/<slug:name>", page(releases.decide), name="release_action"),
    path("applications/<slug:slug>/lifecycle/", page(views.lifecycle_page), name="lifecycle"),
    path("applications/<slug:slug>/history/", page(views.history_page), name="history"),
    path("applications/<slug:slug>/history.csv", page(views.history_csv), name="history_csv"),
    path("applications/<slug:slug>/flags/<int:pk>/<slug:name>", page(flags.decide), name="flag_action"),
    path("instances/<uuid:pk>/", page(views.instance_page), name="instance"),
    path("instances/<uuid:pk>/<slug:name>", page(actions.act), name="instance_action"),
    path("preferences/", preferences.choose, name="preferences"),
    path("badge/<slug:slug>/instances", badges.instances, name="badge_instances"),
    path("badge/<slug:slug>/version", badges.version, name="badge_version"),
    path("badge/<slug:slug>/metric/<path:name>", badges.metric, name="badge_metric"),
    path("badge/<slug:slug>/combined", badges.combined, name="badge_combined"),
]
