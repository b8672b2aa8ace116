"""The part of the page that is about the lockfile."""

from __future__ import annotations

import shlex
from html import escape

from airlock.lockfile import artifact, store
from airlock.lockfile.store import Published
from airlock.state import State

_FOR = {
    artifact.PYLOCK: "uv pip sync, pip 26.1 and later: each file and its hash, for every system",
    artifact.REQUIREMENTS: "any pip or uv, through any mirror: the same pins, with hashes",
    artifact.CONSTRAINTS: "adding packages of your own: the installed versions",
    artifact.MANIFEST: "what was observed, and the digests that prove the rest",
}


def render(state: State, *, deployment: str) -> str:
    """Return the section as HTML: what is published, the downloads, and the commands that make an equal environment."""
    published = store.read(state.environment)
    if published is None:
        return (
            "<h2>Lockfile</h2>\n<p>No lockfile is published yet. The DAG <code>airlock_lockfile</code> publishes it "
            "within a minute of the first start; its log says what went wrong otherwise.</p>\n"
        )
    return "".join([_facts(published), _problem(published), _downloads(published), _commands(published, deployment)])


def _facts(published: Published) -> str:
    manifest = published.artifact.manifest
    return (
        f"<h2>Lockfile</h2>\n<p>Python {escape(manifest.python)}, Airflow {escape(manifest.airflow or 'none')}, "
        f"{len(manifest.distributions)} packages. Published {escape(published.published_at)}.</p>\n"
    )


def _problem(published: Published) -> str:
    problem = published.artifact.manifest.problem
    if problem is None:
        return ""
    return (
        f'<p class="problem"><strong>Incomplete ({escape(problem.reason)}).</strong> {escape(problem.message)}<br>'
        f"{escape(problem.hint)}</p>\n"
    )


def _downloads(published: Published) -> str:
    rows = [
        f'<tr><td><a href="lock/{name}" download>{name}</a></td><td>{escape(_FOR[name])}</td>'
        f"<td>{len(data):,} bytes</td><td><code>{artifact.sha256(data)[:16]}</code></td></tr>\n"
        for name, data in published.artifact.files.items()
    ]
    return f"<table>\n<tr><th>file</th><th>for</th><th>size</th><th>sha256</th></tr>\n{''.join(rows)}</table>\n"


def _commands(published: Published, deployment: str) -> str:
    if not published.artifact.manifest.is_complete:
        return ""
    python = shlex.quote(published.artifact.manifest.python)
    own = f"airlock venv .venv --from {shlex.quote(deployment)} --user NAME --password-file FILE"
    plain = f"uv venv --python {python} .venv\nuv pip sync --python .venv --require-hashes requirements.txt"
    return (
        "<h3>The same environment on your machine</h3>\n<p>With Airlock:</p>\n"
        f"<pre>{escape(own)}</pre>\n<p>Or with the downloaded requirements.txt:</p>\n<pre>{escape(plain)}</pre>\n"
    )
