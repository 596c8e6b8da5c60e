"""Every refusal of the signed API: its status, its stable code, and a sentence that says what to change."""

from datetime import datetime
from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from instances.wire import Malformed, format_timestamp


class MissingCredentials(exceptions.APIException):
    status_code = 401
    default_detail = "Send the instance's UUID in X-Instance-ID and the signature of the body in X-Signature."
    default_code = "missing_credentials"
    auth_header = 'SHM-Signature algorithm="ed25519"'


class InvalidSignature(exceptions.APIException):
    """One and the same answer whether the instance is unknown, the key another or the signature bad."""

    status_code = 403
    default_detail = (
        "The signature does not verify. Register this instance, then sign the body's exact bytes with its key."
    )
    default_code = "invalid_signature"


class Revoked(exceptions.APIException):
    status_code = 403
    default_detail = "This instance has been revoked by the maintainers, who can restore it. Stop sending until then."
    default_code = "revoked"


class InstanceMismatch(exceptions.APIException):
    status_code = 403
    default_detail = "instance_id in the body is not the instance that signed it. Send the same UUID in both."
    default_code = "instance_mismatch"


class KeyConflict(exceptions.APIException):
    status_code = 409
    default_detail = "This instance_id is registered with another key. Use that key, or register with a new UUID."
    default_code = "key_conflict"


class InvalidProof(exceptions.APIException):
    status_code = 403
    default_detail = (
        "The proof does not verify. Sign shm-rotate:<instance_id>:<timestamp>:<public_key>, each exactly as it stands "
        "in the body, with the new key."
    )
    default_code = "invalid_proof"


class Replayed(exceptions.APIException):
    status_code = 409
    default_detail = "This very body has been accepted before. Sign one with a new timestamp."
    default_code = "replayed"


class NotAdmitted(exceptions.APIException):
    """An application, or the site, does not take the instance in."""

    status_code = 403


class EnrolmentRequired(NotAdmitted):
    """One and the same answer whether a token is missing, wrong, another application's, expired or revoked."""

    default_detail = (
        "Registering here takes a valid enrolment token of this application. Ask its maintainers for one, and send it "
        "in X-Enrolment-Token."
    )
    default_code = "enrolment_required"


class RegistrationClosed(NotAdmitted):
    default_detail = "No new instances are taken in. Ask the maintainers to open the application's registration."
    default_code = "registration_closed"


class UnknownApplication(NotAdmitted):
    default_detail = "There is no application of this app_name here. Check its spelling, or ask the site to add it."
    default_code = "unknown_application"


class TooManyApplications(NotAdmitted):
    default_detail = (
        "There are too many applications here that nobody has confirmed. Ask the site's administrators to confirm "
        "those that they know, and to delete the others."
    )
    default_code = "too_many_applications"


class BodyTooLarge(exceptions.APIException):
    status_code = 413
    default_code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes. Send a smaller one.")


class InvalidBody(exceptions.APIException):
    status_code = 400
    default_code = "invalid_body"

    @classmethod
    def of(cls, error: Malformed) -> "InvalidBody":
        return cls(error.detail, error.code)


class TimestampOutOfRange(exceptions.APIException):
    status_code = 400
    default_code = "timestamp_out_of_range"

    def __init__(self, detail: str, timestamp: datetime, now: datetime) -> None:
        super().__init__(detail)
        self.timestamp = timestamp
        self.extra = {"server_time": format_timestamp(now)}


def handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Shapes every refusal as {"detail", "code"}; what is not one (a lost database, a bug) goes on to Django."""
    response = exception_handler(exception, context)
    if response is None or not isinstance(exception, exceptions.APIException):
        return response
    detail: object = exception.detail
    code: object = exception.get_codes()
    if isinstance(exception, exceptions.ValidationError):
        detail, code = _first_problem(exception)
    elif isinstance(exception, exceptions.MethodNotAllowed):
        detail = f"Send this request as {' or '.join(context['view'].allowed_methods)}."
    elif isinstance(exception, exceptions.Throttled):
        detail, code = f"Too many requests. Wait {response['Retry-After']} s before the next.", "rate_limited"
    response.data = {"detail": str(detail), "code": code, **getattr(exception, "extra", {})}
    return response


def _first_problem(exception: exceptions.ValidationError) -> tuple[str, str]:
    """A serializer's first complaint as a sentence, coded by the field that it is about."""
    if not isinstance(exception.detail, dict):
        return "Send a JSON object.", "invalid_body"
    field, problems = next(iter(exception.detail.items()))
    problem = problems[0] if isinstance(problems, list) else problems
    if field == "non_field_errors":
        return "Send a JSON object.", "invalid_body"
    return f"{field}: {problem}", f"invalid_{field}"
