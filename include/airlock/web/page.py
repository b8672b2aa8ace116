"""The page in Airflow's navigation: sections of plain HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from airlock.state import State
from airlock.web import lock_section

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; vertical-align: top; border-bottom: 1px solid #8884; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { padding: .8rem 1rem; border: 1px solid #8884; border-radius: 4px; overflow-x: auto; }
.problem { border-left: 4px solid #c60; padding-left: 1rem; }
"""
_HEADERS = {
    "Cache-Control": "private, no-cache",
    # The style is the only thing the page may load; links and downloads still work.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def router(state: Callable[[], State]) -> APIRouter:
    """Return the route of the page."""
    routes = APIRouter()

    @routes.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        sections = [lock_section.render(state(), deployment=deployment_url(request))]
        return HTMLResponse(render(sections), headers=_HEADERS)

    return routes


def render(sections: Sequence[str]) -> str:
    """Return the document of ``sections``, each of which is HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Airlock</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>\n<h1>Airlock</h1>\n{''.join(sections)}</body>\n</html>\n"
    )


def deployment_url(request: Request) -> str:
    """Return the address of the deployment as the reader's browser knows it, for a command to copy."""
    parts = urlsplit(str(request.base_url))
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/airlock')}"
