"""``python -m infrastructure.synth --stage dev``: write a stage's template, and its path as the last line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infrastructure.synth.template import render, synthesize
from infrastructure.synth.translate import Untranslatable
from rez_agent.domain.errors import Invalid


def main() -> int:
    """What ``make synth`` runs. The exit status: 0, or 1 with the problems on standard error."""
    parser = argparse.ArgumentParser(
        prog="make synth", description="Write a stage's CloudFormation template."
    )
    parser.add_argument("--stage", default="dev", help="dev, stage, prod, or another (dev)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="a setting; repeatable"
    )
    parser.add_argument("--directory", type=Path, default=Path("build"), help="where to write it (build)")
    given = parser.parse_args()
    try:
        template = synthesize(given.stage, **dict(_pair(text) for text in given.set))
    except (Invalid, Untranslatable) as error:
        problems = (
            error.problems if isinstance(error, Untranslatable) else [p.message for p in error.problems]
        )
        sys.stderr.write("".join(f"synth: {problem}\n" for problem in problems))
        return 1
    path = given.directory / f"rez-agent-{given.stage}.template.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(template), encoding="utf-8")
    parameters = ", ".join(template["Parameters"])
    sys.stdout.write(f"{len(template['Resources'])} resources; parameters: {parameters}\n{path}\n")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
