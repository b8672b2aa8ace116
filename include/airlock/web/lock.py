"""The downloads: the four files of the published lockfile, and what they are as a JSON document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from airlock.lockfile import artifact, store
from airlock.lockfile.store import Published
from airlock.state import State

_MEDIA_TYPES = {
    artifact.PYLOCK: "application/toml",
    artifact.REQUIREMENTS: "text/plain; charset=utf-8",
    artifact.CONSTRAINTS: "text/plain; charset=utf-8",
    artifact.MANIFEST: "application/json",
}
_METHODS = ["GET", "HEAD"]


def router(state: Callable[[], State]) -> APIRouter:
    """Return the routes below ``lock/``."""
    routes = APIRouter(prefix="/lock")

    @routes.api_route("/", methods=_METHODS)
    def index() -> dict[str, Any]:
        return _index(_published(state()))

    @routes.api_route("/{name}", methods=_METHODS)
    def file(name: str, request: Request) -> Response:
        if name not in artifact.NAMES:
            raise _missing("NoSuchFile", f"there is no {name!r}", f"the files are {', '.join(artifact.NAMES)}")
        return _file(_published(state()), name, request)

    return routes


def _published(state: State) -> Published:
    published = store.read(state.environment)
    if published is None:
        raise _missing(
            "NotPublished",
            "no lockfile is published yet",
            "it takes a minute after the first start; otherwise trigger the DAG airlock_lockfile and read its log",
        )
    return published


def _index(published: Published) -> dict[str, Any]:
    manifest, problem = published.artifact.manifest, published.artifact.manifest.problem
    return {
        "commit": published.commit,
        "published_at": published.published_at,
        "complete": manifest.is_complete,
        "problem": problem and {"reason": problem.reason, "message": problem.message, "hint": problem.hint},
        "environment": manifest.environment,
        "python": manifest.python,
        "airflow": manifest.airflow,
        "files": {
            name: {"sha256": artifact.sha256(data), "size": len(data), "url": name}
            for name, data in published.artifact.files.items()
        },
    }


def _file(published: Published, name: str, request: Request) -> Response:
    data = published.artifact.files.get(name)
    if data is None:
        problem = published.artifact.manifest.problem
        assert problem is not None
        raise _missing(problem.reason, f"{name} could not be made: {problem.message}", problem.hint)
    etag = f'"{artifact.sha256(data)}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    if _is_known(request.headers.get("If-None-Match", ""), etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(len(data))
    body = b"" if request.method == "HEAD" else data
    return Response(body, headers=headers, media_type=_MEDIA_TYPES[name])


def _is_known(if_none_match: str, etag: str) -> bool:
    # RFC 9110, 13.1.2: the comparison is a weak one.
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or tags == {"*"}


def _missing(reason: str, message: str, hint: str) -> HTTPException:
    return HTTPException(404, {"reason": reason, "message": message, "hint": hint})
