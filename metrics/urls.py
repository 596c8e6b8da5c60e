from django.urls import path

from metrics import export, views

urlpatterns = [
    path("snapshot", views.SnapshotView.as_view(), name="snapshot"),
    path("snapshots", views.SnapshotsView.as_view(), name="snapshots"),
    path("export", export.ExportView.as_view(), name="export"),
]
