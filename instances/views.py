"""The signed API: registration and activation, and the view that every other signed endpoint starts from; health."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instances.authentication import SignatureAuthentication, signing_instance
from instances.exceptions import Revoked
from instances.jobs import DATABASE_ERRORS, in_words, why_late
from instances.models import Instance
from instances.parsers import AlwaysJSON, WireParser, parse_body, read_body
from instances.rates import Verdict
from instances.registration import register
from instances.serializers import Registration
from instances.throttling import PerAddress

logger = logging.getLogger(__name__)

ACTIVATED = {"status": "active", "message": "Instance activated successfully"}
WAITS = {
    "status": "pending",
    "message": "This instance is not counted until a maintainer approves it. Its snapshots are kept meanwhile.",
}

Authenticators = Sequence[type[BaseAuthentication]]


class WireView(APIView):
    """An endpoint of the wire protocol: the bounded body, then the signature, then the limit, then the work."""

    authentication_classes: Authenticators = [SignatureAuthentication]
    parser_classes = [WireParser]
    content_negotiation_class = AlwaysJSON
    metadata_class = None
    http_method_names = ["get", "head", "post"]
    max_body_bytes = settings.MAX_BODY_BYTES
    rate_verdict: Verdict | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)  # Before it is asked for a signature that would not help it.
        read_body(request._request, self.max_body_bytes)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        if self.rate_verdict is not None:
            response["X-RateLimit-Limit"] = str(self.rate_verdict.limit)
            response["X-RateLimit-Remaining"] = str(self.rate_verdict.remaining)
            response["X-RateLimit-Reset"] = str(self.rate_verdict.reset)
        return super().finalize_response(request, response, *args, **kwargs)


class RegisterView(WireView):
    authentication_classes: Authenticators = []
    throttle_classes = [PerAddress]

    def post(self, request: Request) -> Response:
        registration = Registration(data=request.data)
        registration.is_valid(raise_exception=True)
        data = registration.validated_data
        register(data, request.headers.get("X-Enrolment-Token", "").strip() or data["enrolment_token"])
        return Response({"status": "ok", "message": "Registered"}, status=201)


class ActivateView(WireView):
    throttle_classes = [PerAddress]

    def post(self, request: Request) -> Response:
        body = parse_body(request.body)  # Any JSON will do, but it has to be JSON.
        instance = signing_instance(request)
        state = instance.activate(confirms=not is_for_elsewhere(body))
        if state == Instance.State.REVOKED:
            raise Revoked  # At this very moment, after the signature was checked.
        return Response(WAITS if state == Instance.State.PENDING else ACTIVATED)


def is_for_elsewhere(body: Any) -> bool:
    """Whether the instance has signed it for another address. Then whoever has seen it may have sent it to this one."""
    return isinstance(body, dict) and (
        not body.keys().isdisjoint(("metrics", "snapshots")) or body.get("action") in ("rotate", "export", "forget")
    )


class HealthcheckView(WireView):
    """Whether this server answers. Never limited, and asks nothing of the database."""

    authentication_classes: Authenticators = []

    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class DescriptionView(WireView):
    """This API, described for programs. Public, like the source that it comes with."""

    authentication_classes: Authenticators = []

    def get(self, request: Request) -> HttpResponse:
        response = HttpResponse(description(), content_type="application/yaml")
        response["Cache-Control"] = "public, max-age=3600"
        return response


@cache
def description() -> bytes:
    return (settings.BASE_DIR / "docs/openapi.yaml").read_bytes()


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether this server can do its work: the database answers, and somebody does the regular work. Never limited."""
    try:
        reason = why_late(timezone.now())
    except DATABASE_ERRORS as error:
        # Anybody may ask, so why it does not answer is for the log alone: that names the database's machine.
        logger.error("The database does not answer, or has not been migrated: %s", in_words(error))
        reason = "The database does not answer, or has not been migrated. Start it, or see the server's log for why."
    if reason is None:
        return JsonResponse({"status": "ready"})
    return JsonResponse({"status": "not ready", "reasons": [reason]}, status=503)


@csrf_exempt
def no_such_endpoint(request: HttpRequest) -> HttpResponse:
    detail = f"There is nothing at {request.path}. See docs/api.md for the endpoints there are."
    return JsonResponse({"detail": detail, "code": "not_found"}, status=404)
