"""Static files: read once, served under names that change with their content.

The name in an address holds a hash of the bytes, so browsers may keep a file for ever; a file that is
not in this table is not there, so there is no path to climb out of.
"""

import base64
import gzip
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from litestar import get
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.errors import NotFoundError
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, header

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VENDORED: Final = {
    "htmx.min.js": "vendor/htmx.org@4.0.1/htmx.min.js",
    "hx-sse.min.js": "vendor/htmx.org@4.0.1/hx-sse.min.js",
    "icons.svg": "vendor/lucide-static@1.62.0/icons.svg",
}
_OWN: Final = {
    name: name
    for name in (
        "app.css",
        "backups.css",
        "log.css",
        "plans.css",
        "work.css",
        "app.js",
        "log.js",
        "timeline.js",
        "icon.svg",
    )
}


class Asset(Struct, frozen=True, kw_only=True):
    """A static file as it is served."""

    href: str
    integrity: str
    media_type: str
    body: bytes
    packed: bytes
    """The body, gzipped."""


def _read(root: Traversable, name: str, path: str) -> Asset:
    body = root.joinpath(path).read_bytes()
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(
        href=f"/static/{stem}.{digest}.{ending}",
        integrity="sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode(),
        media_type=_TYPES[f".{ending}"],
        body=body,
        packed=gzip.compress(body, 9, mtime=0),
    )


_ROOT: Final = files("perdure_web").joinpath("static")
ASSETS: Final = {name: _read(_ROOT, name, path) for name, path in (_OWN | _VENDORED).items()}
_BY_HREF: Final = {asset.href: asset for asset in ASSETS.values()}


def asset_href(name: str) -> str:
    """Give the address of a static file."""
    return ASSETS[name].href


def asset_integrity(name: str) -> str:
    """Give the `integrity` attribute of a static file."""
    return ASSETS[name].integrity


@get("/static/{name:str}", opt={"permission": "public"}, name="static file")
async def serve_asset(request: HttpRequest, name: str) -> ASGIApp:
    """Give a static file; one that is not in the table is not there."""
    asset = _BY_HREF.get(f"/static/{name}")
    if asset is None:
        raise NotFoundError(name)
    headers = [
        (b"content-type", asset.media_type.encode()),
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"vary", b"Accept-Encoding"),
    ]
    if b"gzip" in (header(request.scope, b"accept-encoding") or b""):
        return Reply(asset.packed, headers=(*headers, (b"content-encoding", b"gzip")))
    return Reply(asset.body, headers=headers)
