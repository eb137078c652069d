"""Asking AWS about a stage with the credentials of whoever asks: clients, names, and what errors mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from rez_agent.aws.names import Names
from rez_agent.domain.errors import Unavailable

DENIED = frozenset({"AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation", "403"})
MISSING = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
UNKNOWN_CALLER = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

MakeClient = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever asks, and where."""

    account: str
    arn: str
    region: str

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn``, ..."""
        return self.arn.split(":")[1]


class Asking:
    """AWS, asked about one stage. ``make`` gives a client of AWS's by its service's name.

    Everything raises Unavailable: with the code ``access_denied`` where the caller may not ask (its text is
    AWS's own, with the action that is missing), with ``no_credentials`` or ``no_region`` where AWS can't be
    asked at all.
    """

    def __init__(self, stage: str, make: MakeClient) -> None:
        self.names = Names(stage)
        self._make = make

    def identity(self) -> Identity:
        """Whose credentials these are."""
        client = self.client("sts")
        answer = self.asked(client.get_caller_identity)
        return Identity(answer["Account"], answer["Arn"], client.meta.region_name)

    def client(self, service: str) -> Any:
        """The service's client."""
        try:
            return self._make(service)
        except NoRegionError as error:
            raise Unavailable(f"{error}", code="no_region") from error
        except BotoCoreError as error:
            raise Unavailable(f"AWS can't be asked: {error}", code="no_credentials") from error

    def asked(self, operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
        """The answer."""
        try:
            answer: dict[str, Any] = operation(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error
        return answer

    def found(self, operation: Callable[..., Any], **parameters: Any) -> dict[str, Any] | None:
        """The same, or None for what is not there."""
        try:
            return self.asked(operation, **parameters)
        except Unavailable as error:
            if error.code == "missing":
                return None
            raise

    def queue_attribute(self, what: str, attribute: str) -> int | None:
        """A number that SQS tells of a queue; None if there is no such queue."""
        sqs = self.client("sqs")
        place = self.found(sqs.get_queue_url, QueueName=self.names(what))
        if place is None:
            return None
        answer = self.asked(sqs.get_queue_attributes, QueueUrl=place["QueueUrl"], AttributeNames=[attribute])
        return int(answer["Attributes"][attribute])


def arn(identity: Identity, service: str, resource: str) -> str:
    """The ARN of something in the caller's account and region."""
    return f"arn:{identity.partition}:{service}:{identity.region}:{identity.account}:{resource}"


def _unavailable(error: ClientError | BotoCoreError) -> Unavailable:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Unavailable(f"{error}", code="no_credentials")
    if not isinstance(error, ClientError):
        return Unavailable(f"AWS can't be reached: {error}")
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    told = f"{error.operation_name} answers {code}: {text}"
    if code in MISSING:
        return Unavailable(told, code="missing")
    if code in UNKNOWN_CALLER:
        return Unavailable(told, code="no_credentials")
    denied = code.startswith("AccessDenied") or code in DENIED
    return Unavailable(told, code="access_denied" if denied else "unavailable")
