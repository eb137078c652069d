"""Reading a YAML file so that every fault can be told with its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import yaml

from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import pointer_to


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A document, and the line (counted from 1) of each of its parts by JSON pointer."""

    name: str
    document: Any
    lines: dict[str, int]

    def located(self, problem: Problem, offset: int = 0) -> Problem:
        """``problem`` with the file's name and line in front of its text."""
        pointer = problem.pointer
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        line = self.lines.get(pointer, 1) + offset
        return replace(problem, message=f"{self.name}, line {line}: {problem.message}")


def read_yaml(name: str, text: str, problems: list[Problem]) -> YamlFile:
    """The document within ``text``; what is wrong with it as YAML is added to ``problems``, with lines."""
    lines: dict[str, int] = {}
    found: list[Problem] = []
    document: Any = None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _walk(root, [], lines, found, set())
            document = None if found else yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines[""] = mark.line + 1 if mark else 1
        found.append(Problem("invalid_yaml", f"{error.problem or 'can not be read as YAML'}."))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        found.append(Problem("invalid_yaml", f"can't be read as YAML ({type(error).__name__})."))
    file = YamlFile(name, document, lines)
    problems.extend(file.located(problem) for problem in found)
    return file


def _walk(
    node: yaml.Node, path: list[str | int], lines: dict[str, int], problems: list[Problem], above: set[int]
) -> None:
    """Note the lines below ``node``; complain of keys given twice and of aliases that hold themselves."""
    pointer = pointer_to(path)
    lines.setdefault(pointer, node.start_mark.line + 1)
    if id(node) in above:
        problems.append(Problem("invalid_yaml", "an alias holds itself.", pointer))
        return
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for at, item in enumerate(node.value):
            _walk(item, [*path, at], lines, problems, above)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            word = str(key.value)
            if word in keys:
                lines[pointer_to([*path, word])] = key.start_mark.line + 1
                problems.append(
                    Problem("invalid_yaml", f"'{word}' is given twice.", pointer_to([*path, word]))
                )
            keys.add(word)
            lines.setdefault(pointer_to([*path, word]), key.start_mark.line + 1)
            _walk(value, [*path, word], lines, problems, above)
