"""What an instance sends when it registers."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from instances import ed25519
from instances.models import Instance
from instances.personal_findings import is_name
from instances.wire import parse_uuid


class Text(serializers.CharField):
    """A string and nothing else: of the number 1.10 only 1.1 would be left, and a version is not to be guessed."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Description(Text):
    """An optional text of at most 100 characters; null means none."""

    def __init__(self) -> None:
        super().__init__(required=False, allow_blank=True, allow_null=True, max_length=100, default="")

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, "") if data is None else super().validate_empty_values(data)


class Registration(serializers.Serializer[Instance]):
    instance_id = serializers.CharField()
    public_key = serializers.CharField()
    app_name = Text(max_length=100)
    app_version = Description()
    deployment_mode = Description()
    environment = Description()
    os_arch = Description()
    # Compared by its digest, whatever it is. One in the header counts first.
    enrolment_token = Description()

    def validate_instance_id(self, value: str) -> UUID:
        parsed = parse_uuid(value)
        if parsed is None:
            raise serializers.ValidationError("Send a UUID in its canonical form of 36 characters.")
        return parsed

    def validate_app_name(self, value: str) -> str:
        if not is_name(value):
            raise serializers.ValidationError(
                "Send the application's name. This looks like an address, a path or a key."
            )
        return value

    def validate_public_key(self, value: str) -> str:
        if not ed25519.is_public_key(value):
            raise serializers.ValidationError(
                "Send the 64 hex digits of an Ed25519 public key. Small-order and non-canonical keys are refused, "
                "because anybody can sign for them."
            )
        return value.lower()
