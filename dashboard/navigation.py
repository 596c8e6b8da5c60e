"""The admin's navigation, of which the pages are part."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Item = tuple[Promise, str, str, str | None]  # Title, icon, view, permission.

SECTIONS: list[tuple[Promise | str, list[Item]]] = [
    ("", [(_("Overview"), "monitoring", "dashboard:overview", None)]),
    (
        _("Fleet"),
        [
            (_("Applications"), "apps", "admin:instances_application_changelist", "instances.view_application"),
            (_("Instances"), "dns", "admin:instances_instance_changelist", "instances.view_instance"),
            (_("Flagged keys"), "privacy_tip", "admin:metrics_keyflag_changelist", "metrics.view_keyflag"),
            (
                _("Enrolment tokens"),
                "confirmation_number",
                "admin:instances_enrolmenttoken_changelist",
                "instances.view_enrolmenttoken",
            ),
            (_("Public keys"), "key", "admin:instances_publickey_changelist", "instances.view_publickey"),
        ],
    ),
    (
        _("Access"),
        [
            (_("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
            (_("Teams"), "group", "admin:auth_group_changelist", "auth.view_group"),
            (_("Audit log"), "history", "admin:admin_logentry_changelist", "admin.view_logentry"),
        ],
    ),
    (_("Site"), [(_("Regular work"), "schedule", "admin:instances_job_changelist", "instances.view_job")]),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections as the shell wants them, less what the user may not open."""
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [_item(request, *item) for item in items if _allowed(request, item[3])],
        }
        for title, items in SECTIONS
    ]


def _allowed(request: HttpRequest, permission: str | None) -> bool:
    return permission is None or request.user.has_perm(permission)


def _item(request: HttpRequest, title: Promise, icon: str, view: str, permission: str | None) -> dict[str, Any]:
    link = reverse(view)
    match = request.resolver_match
    # The overview stands for all pages; everything else is found by the beginning of its address.
    is_page = match is not None and match.namespace == "dashboard"
    active = is_page if view == "dashboard:overview" else request.path.startswith(link)
    # A function, because the shell would try to import a text.
    return {"title": title, "icon": icon, "link": link, "active": lambda request: active}
