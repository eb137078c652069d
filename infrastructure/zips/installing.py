"""Installing for the runtime, whatever this machine is: wheels alone, by uv, from its cache where it can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from infrastructure.zips.faults import Unbuildable

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-aws.lock"

_UV = (sys.executable, "-m", "uv", "--quiet")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_RUNTIME = "x86_64-manylinux2014"
_FOR_THE_RUNTIME = ("--python-version", "3.11", "--only-binary", ":all:")

TAGGED_NEWER = {"cel-expr-python": "x86_64-manylinux_2_28"}
"""Libraries whose wheels claim a newer glibc than the runtime has (2.26), and need no newer one: the tests
look at what the files in the zips ask for."""
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


def install_locked(names: Iterable[str], target: Path) -> None:
    """The libraries ``names`` at their locked versions, each wheel checked against the lock's hashes."""
    wanted = frozenset(names)
    target.mkdir(parents=True)
    for platform in dict.fromkeys([_RUNTIME, *TAGGED_NEWER.values()]):
        parts = [
            part
            for name, part in _locked_parts()
            if name in wanted and TAGGED_NEWER.get(name, _RUNTIME) == platform
        ]
        if parts:
            lock = target.with_suffix(f".{platform}.lock")
            lock.write_text("".join(parts), encoding="utf-8")
            arguments = ("--require-hashes", "--no-deps", "--requirements", str(lock))
            _install(target, *arguments, platform=platform)


def locked_names() -> frozenset[str]:
    """The libraries that the AWS host's lock names."""
    return frozenset(name for name, _ in _locked_parts())


def install_own(target: Path) -> None:
    """rez-agent itself, as its wheel has it."""
    made = target.with_suffix(".wheels")
    _run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(made)])
    with zipfile.ZipFile(next(made.glob("*.whl"))) as wheel:
        wheel.extractall(target)


def install_plugins(given: Sequence[str], target: Path) -> None:
    """Plugins with what they need; what the lock names at the locked version. Each of ``given`` is a
    requirement, a wheel, or a directory to make one of.

    Raises Unbuildable with uv's own words when one can't be had for the runtime.
    """
    target.mkdir(parents=True)
    made = target.with_suffix(".wheels")
    made.mkdir()
    requirements = [_requirement(one, made) for one in given]
    pins = target.with_suffix(".pins")
    pins.write_text("".join(f"{name}=={pin}\n" for name, pin in _LOCKED.findall(LOCK.read_text("utf-8"))))
    try:
        _install(target, "--constraints", str(pins), str(_stand_in(made)), *requirements)
    except subprocess.CalledProcessError as error:
        raise Unbuildable(f"PLUGINS={' '.join(given)} can't be installed.\n{error.stderr.strip()}") from None


def _requirement(given: str, made: Path) -> str:
    path = Path(given)
    if path.is_dir():
        return str(_wheel_of(path, made))
    if given.endswith(".whl") or "/" in given.partition("@")[0]:
        if not path.is_file():
            raise Unbuildable(f"PLUGINS names {given}, and there is no such file or directory.")
        return str(path.resolve())
    return given


def _wheel_of(directory: Path, made: Path) -> Path:
    if not (directory / "pyproject.toml").is_file() and not (directory / "setup.py").is_file():
        raise Unbuildable(f"PLUGINS names the directory {directory}, which has no pyproject.toml.")
    out = made / str(len(list(made.iterdir())))
    try:
        _run([*_UV, "build", "--wheel", "--out-dir", str(out), str(directory)])
    except subprocess.CalledProcessError as error:
        raise Unbuildable(f"No wheel can be made of {directory}.\n{error.stderr.strip()}") from None
    return next(out.glob("*.whl"))


def _stand_in(made: Path) -> Path:
    """A wheel of rez-agent without content or needs: plugins depend on it, and it comes by itself."""
    name = f"rez_agent-{version('rez-agent')}"
    path = made / f"{name}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: rez-agent\nVersion: {version('rez-agent')}\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        wheel.writestr(
            f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return path


def _locked_parts() -> list[tuple[str, str]]:
    """Each requirement of the lock with its hashes, by name."""
    text = LOCK.read_text(encoding="utf-8")
    found = list(_LOCKED.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1].lower(), text[match.start() : end]) for match, end in zip(found, ends, strict=True)]


def _install(target: Path, *arguments: str, platform: str = _RUNTIME) -> None:
    _run(
        [
            *_UV,
            "pip",
            "install",
            "--python",
            sys.executable,
            "--python-platform",
            platform,
            *_FOR_THE_RUNTIME,
            "--target",
            str(target),
            *arguments,
        ]
    )


def _run(command: Sequence[str]) -> None:
    # The machine's own certificates where it has any: a network that re-signs traffic is trusted by them.
    certificates = {"UV_SYSTEM_CERTS": "1"} if _CERTIFICATES.is_file() else {}
    environment = {**os.environ, **certificates}
    subprocess.run(  # noqa: S603  # uv and hatchling; what comes from outside is an argument of its own
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
