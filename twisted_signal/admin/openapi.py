"""The OpenAPI 3.1 document of the admin endpoint: of its routes, and the structs they return."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from twisted_signal import __version__
from twisted_signal.admin.errors import ErrorView
from twisted_signal.admin.routes import JSON, Parameter, Route

_REFERENCE = "#/components/schemas/{name}"


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document, as values fit for JSON."""
    routes = list(routes)
    types = [ErrorView, *(route.returns for route in routes if route.returns is not None)]
    references, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = dict(zip(types, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vislam-signal: the admin endpoint",
            "version": __version__,
            "description": "What an operator sees of a running server, and can do to it.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What is in the file of --admin-token-file, if there is one.",
                }
            },
        },
    }


def _operation(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    error = {JSON: {"schema": by_type[ErrorView]}}
    if route.returns is not None:
        content = {route.content_type: {"schema": by_type[route.returns]}}
    else:
        content = {route.content_type.partition(";")[0]: {}}
    responses: dict[str, Any] = {str(route.status.value): _response(route.meaning, content)}
    for other in route.others:
        responses[str(other.status.value)] = _response(
            other.when, error if other.is_error else content
        )
    for status, when in _refusals(route):
        responses[str(status.value)] = _response(when, error)
    responses["default"] = _response("The server cannot answer; `message` says why.", error)
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.meaning,
        "responses": responses,
        "security": [] if route.is_open else [{}, {"token": []}],
    }
    parameters = [
        *(_path_parameter(name) for name in route.variables),
        *(_query_parameter(parameter) for parameter in route.parameters),
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.method == "POST":
        operation["requestBody"] = {
            "description": "Nothing is read from it; the content type must be right all the same.",
            "content": {JSON: {"schema": {"type": "object", "maxProperties": 0}}},
        }
    return operation


def _refusals(route: Route) -> Iterable[tuple[HTTPStatus, str]]:
    yield HTTPStatus.BAD_REQUEST, "A parameter is wrong or unknown; `message` names it."
    yield HTTPStatus.TOO_MANY_REQUESTS, "Too many requests come at once."
    if not route.is_open:
        yield HTTPStatus.UNAUTHORIZED, "A token is wanted, and none was shown, or a wrong one."
        yield HTTPStatus.FORBIDDEN, "The request is by way of a page of another origin."
    if route.method == "POST":
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The content type is not {JSON}."


def _response(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if isinstance(parameter.default, int):
        schema = {"type": "integer", "minimum": parameter.least, "maximum": parameter.most}
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.meaning,
        "schema": schema,
    }
