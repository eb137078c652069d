"""The options that say what a schedule does, and the payload they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Option

from rez_agent.cli.arguments import content, document, headers, json_object, pairs
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import TargetType


def _what(*names: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002 - typer's word
    return Option(*names, help=help, metavar=metavar, rich_help_panel="What it does")


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What a schedule does, as far as it was said. None and empty lists mean: not said."""

    http: Annotated[str | None, _what("--http", metavar="URL", help="Call this URL.")] = None
    method: Annotated[
        str | None, _what("--method", help="Its method (GET, or POST when there is a body).")
    ] = None
    header: Annotated[list[str], _what("--header", metavar="'NAME: VALUE'", help="A header; repeatable.")] = (
        field(default_factory=list)
    )
    body: Annotated[
        str | None, _what("--body", metavar="TEXT|@FILE|-", help="The body, sent as it stands.")
    ] = None
    json_body: Annotated[
        str | None, _what("--json-body", metavar="JSON|@FILE", help="The body, sent as JSON.")
    ] = None
    bearer: Annotated[
        str | None, _what("--bearer", metavar="SECRET", help="The secret to send as a bearer token.")
    ] = None
    timeout: Annotated[
        float | None, _what("--timeout", metavar="SECONDS", help="How long one attempt may take (30).")
    ] = None
    success: Annotated[
        str | None, _what("--success", metavar="RANGE", help="Which answers mean success (200-299).")
    ] = None
    action: Annotated[
        str | None, _what("--action", metavar="NAME", help="An entry of the server's action catalogue.")
    ] = None
    custom: Annotated[str | None, _what("--custom", metavar="NAME", help="A custom action (a plugin).")] = (
        None
    )
    param: Annotated[
        list[str],
        _what("--param", metavar="NAME=VALUE", help="A parameter of the action (NAME:=JSON); repeatable."),
    ] = field(default_factory=list)
    notify: Annotated[
        str | None, _what("--notify", metavar="CHANNEL", help="Send a notification to this channel.")
    ] = None
    message: Annotated[str | None, _what("--message", help="What the notification says.")] = None
    title: Annotated[str | None, _what("--title", help="The notification's title.")] = None
    priority: Annotated[str | None, _what("--priority", help="The notification's priority.")] = None
    payload: Annotated[
        str | None,
        _what("--payload", metavar="JSON|@FILE|-", help="The whole payload; the options above add to it."),
    ] = None
    target_type: Annotated[
        TargetType | None,
        _what("--target-type", help="The kind of target, when --payload leaves it open."),
    ] = None

    def target(self) -> tuple[str | None, dict[str, Any]]:
        """The target's type and its payload, as far as they were said."""
        kinds = {
            "--http": self.http,
            "--action": self.action,
            "--custom": self.custom,
            "--notify": self.notify,
        }
        chosen = [option for option, value in kinds.items() if value is not None]
        if len(chosen) > 1:
            text = f"{' and '.join(chosen)} exclude each other: a schedule does one thing."
            raise Invalid(text, code="invalid_argument")
        payload = json_object(self.payload, "--payload") if self.payload is not None else {}
        payload |= self._web() | self._custom() | self._notification()
        kind = self.target_type or self._kind(chosen, payload)
        return kind and kind.value, payload

    def _kind(self, chosen: list[str], payload: Mapping[str, Any]) -> TargetType | None:
        if chosen:
            return {"--custom": TargetType.CUSTOM, "--notify": TargetType.NOTIFICATION}.get(
                chosen[0], TargetType.WEB_ACTION
            )
        return TargetType.WEB_ACTION if "url" in payload and self.payload is not None else None

    def _web(self) -> dict[str, Any]:
        if self.body is not None and self.json_body is not None:
            raise Invalid("--body and --json-body exclude each other.", code="invalid_argument")
        said: dict[str, Any] = {
            "action": "http" if self.http is not None else self.action,
            "url": self.http,
            "method": self.method.upper() if self.method else None,
            "headers": headers(self.header, "--header") or None,
            "body": content(self.body, "--body") if self.body is not None else None,
            "auth": {"type": "bearer", "token": {"secret": self.bearer}} if self.bearer else None,
            "timeout": self.timeout,
            "success": self.success,
        }
        if self.json_body is not None:
            said["body"] = document(self.json_body, "--json-body")
        return {name: value for name, value in said.items() if value is not None}

    def _custom(self) -> dict[str, Any]:
        said: dict[str, Any] = {} if self.custom is None else {"action": self.custom}
        return said | pairs(self.param, "--param")

    def _notification(self) -> dict[str, Any]:
        said = {
            "channel": self.notify,
            "message": self.message,
            "title": self.title,
            "priority": self.priority,
        }
        return {name: value for name, value in said.items() if value is not None}
