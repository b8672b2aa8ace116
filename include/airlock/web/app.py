"""The web application below ``/airlock``. Who may come in is decided by the dependency it is given, on every route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from airlock.errors import AirlockError
from airlock.state import State
from airlock.web import lock, page


def create(*, state: Callable[[], State], authenticated: Callable[..., Any]) -> FastAPI:
    """Return the application of the deployment that ``state`` returns.

    ``authenticated`` is a FastAPI dependency that raises when the request is nobody's. There is no OpenAPI document
    and no documentation page: those would be served to everybody.
    """
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(authenticated)],
    )
    app.include_router(lock.router(state))
    app.include_router(page.router(state))
    app.add_exception_handler(AirlockError, _answer)
    return app


async def _answer(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AirlockError)
    detail = {"reason": error.reason, "message": error.message, "hint": error.hint}
    return JSONResponse({"detail": detail}, status_code=503)
