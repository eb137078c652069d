"""The page's own files: styles, scripts, and what is vendored, each under an address that names its content.

An address with the present content's hash may be kept for ever; one with an older hash, from a page that was
open while the server was exchanged, is answered with the present content, to be kept for nothing.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from rez_agent.web.errors import NoSuchRoute, error_answer

ROOT = Path(__file__).parent / "static"

KEPT = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    name: str
    data: bytes
    digest: str
    media_type: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"/static/{self.digest}/{self.name}"


@cache
def _files() -> dict[str, StaticFile]:
    found = (file for file in ROOT.rglob("*") if file.suffix in _TYPES)
    return {file.relative_to(ROOT).as_posix(): _read(file) for file in found}


def _read(file: Path) -> StaticFile:
    data = file.read_bytes()
    name = file.relative_to(ROOT).as_posix()
    return StaticFile(name, data, sha256(data).hexdigest()[:16], _TYPES[file.suffix])


@cache
def _packed(name: str) -> bytes:
    """The file as gzip, packed when it is first asked for."""
    return gzip.compress(_files()[name].data, mtime=0)


def _takes_gzip(request: Request) -> bool:
    """Whether whoever asks says so, and not with a weight of nought."""
    for offer in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = offer.replace(" ", "").lower().partition(";")
        if coding == "gzip":
            return re.fullmatch(r"q=0(\.0*)?", weight) is None
    return False


def url(name: str) -> str:
    """The address of the file ``name``, such as ``page.css``. Raises KeyError when there is none."""
    return _files()[name].url


async def endpoint(request: Request) -> Response:
    """GET /static/{digest}/{name}"""
    name = request.path_params["name"]
    file = _files().get(name)
    if file is None:
        return error_answer(NoSuchRoute(f"There is no file '{name[:200]}'."))
    packed = _takes_gzip(request)
    tag = f'"{file.digest}-gzip"' if packed else f'"{file.digest}"'
    present = request.path_params["digest"] == file.digest
    headers = {
        "ETag": tag,
        "Cache-Control": KEPT if present else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "Accept-Encoding",
    }
    if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
        return Response(None, 304, headers)
    headers["Content-Type"] = file.media_type
    if packed:
        return Response(_packed(name), headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.data, headers=headers)
