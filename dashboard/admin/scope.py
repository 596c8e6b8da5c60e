"""Who sees and may do what in the admin: what all its lists have in common."""

from __future__ import annotations

from typing import Any

from django.db.models import ForeignKey, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

from instances.models import Application, Instance
from metrics.models import Snapshot


class TeamScoped(ModelAdmin):
    """Lists, edits and autocompletes nothing but what belongs to the user's teams."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What a deletion takes along, as numbers: Django would load and list every single snapshot."""
        objects = list(objs)
        pks = [obj.pk for obj in objects]
        instances = Instance.objects.filter(Q(pk__in=pks) if self.model is Instance else Q(application__in=pks))
        counts = {
            gettext("instances"): instances.count(),
            gettext("snapshots"): Snapshot.objects.filter(instance__in=instances).count(),
        }
        if self.model is Application:
            counts = {gettext("applications"): len(objects), **counts}
        missing = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return [str(obj) for obj in objects], counts, missing, []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Ordered as Django's own would be: autocompletion pages through it as it is.
        visible = self.model._default_manager.visible_to(request.user)
        return visible.order_by(*self.get_ordering(request) or self.opts.ordering)

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        return obj.get_absolute_url() if hasattr(obj, "get_absolute_url") else None

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "team" and not request.user.is_superuser:
            kwargs["queryset"] = request.user.groups.all()
        if db_field.name == "application":
            kwargs["queryset"] = Application.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj.erase()


class ReadOnly(ModelAdmin):
    """What is written by the server alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ForSuperusers(ReadOnly):
    """What is of no single team, and so is shown to none, whatever its group may do."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
