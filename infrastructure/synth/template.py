"""From a stage to its template."""

from __future__ import annotations

import json
from typing import Any

import yaml

from infrastructure.stack.settings import OPTIONS
from infrastructure.synth.recording import PROGRAM, PROJECT, Recording, record
from infrastructure.synth.translate import Template, translate
from rez_agent.domain.errors import Invalid, Problem


def synthesize(stage: str, **config: Any) -> Template:
    """The template of ``stage``: the configuration in its ``Pulumi.{stage}.yaml``, where there is one, and
    ``config`` over it, by the same keys (``retentionDays=14, auth="none"``).

    The same arguments give the same template. Raises Invalid for what is wrong with the configuration, and
    Untranslatable.
    """
    return translate(recorded(stage, **config), f"rez-agent, stage {stage}: dynamic schedules as a service")


def recorded(stage: str, **config: Any) -> Recording:
    """What the program registers, before it is translated."""
    return record(stage, {**file_config(stage), **_texts(config)})


def render(template: Template) -> str:
    """The template as the text of a file."""
    return json.dumps(template, indent=1, sort_keys=True) + "\n"


def file_config(stage: str) -> dict[str, str]:
    """What ``Pulumi.{stage}.yaml`` says; nothing, if there is no such file."""
    path = PROGRAM / f"Pulumi.{stage}.yaml"
    if not path.is_file():
        return {}
    given = yaml.safe_load(path.read_text(encoding="utf-8")).get("config", {})
    own = f"{PROJECT}:"
    return _texts({key.removeprefix(own): value for key, value in given.items() if key.startswith(own)})


def _texts(config: dict[str, Any]) -> dict[str, str]:
    """The values as Pulumi hands them to a program: as text, structures as JSON."""
    unknown = sorted(set(config) - set(OPTIONS))
    if unknown:
        known = ", ".join(OPTIONS)
        raise Invalid.of(
            [
                Problem("unknown_setting", f"There is no setting {key}. There are: {known}.", f"/{key}")
                for key in unknown
            ]
        )
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
