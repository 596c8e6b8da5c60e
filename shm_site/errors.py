"""What is answered where no view gets to answer: JSON to clients, Django's pages to people."""

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from shm_site.middleware import UNAVAILABLE, is_api, unavailable


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_api(request):
        return defaults.bad_request(request, exception)
    detail = "The request's Host or another header cannot be accepted. Send the name that SHM_ALLOWED_HOSTS allows."
    return JsonResponse({"detail": detail, "code": "bad_request"}, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if isinstance(error, UNAVAILABLE):  # Raised outside a view, where a session is kept.
        return unavailable(request, error)
    if not is_api(request):
        return defaults.server_error(request)
    detail = "The server failed; its log says where. Send the same request again later."
    return JsonResponse({"detail": detail, "code": "internal_error"}, status=500)
