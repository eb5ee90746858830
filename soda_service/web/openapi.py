"""`/openapi.json`: the OpenAPI 3.1 document, built from PARAMETERS and the URL map."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from soda_service import __version__
from soda_service.request.spec import Kind, ParameterSpec
from soda_service.request.table import PARAMETERS
from soda_service.vo.sia import input_params
from soda_service.web.services import Services

__all__ = ["create_openapi", "openapi_document"]

_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.FLOAT: {"type": "number"},
    Kind.INTEGER: {"type": "integer"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.EMAIL: {"type": "string", "format": "email"},
    Kind.URL: {"type": "string", "format": "uri"},
}
_JOB_FORM = {"create_job", "validate", "sync"}
"""Views whose body is the form of a cutout request."""

_CREATES_NOTHING = {"validate", "sync", "sia2", "links"}
"""Views whose POST creates nothing and returns its result at once."""

_SEE_OTHER = {"303": {"description": "Done; see the Location header"}}
_OK = {"200": {"description": "The document"}}


def _property(spec: ParameterSpec) -> dict[str, Any]:
    schema = dict(_SCHEMAS.get(spec.kind, {"type": "string"}))
    unit = f" Unit: {spec.unit}." if spec.unit else ""
    schema["description"] = spec.description + unit
    if spec.default:
        schema["x-default-text"] = spec.default
    if spec.choices:
        schema["enum"] = list(spec.choices)
    for key, bound in (("minimum", spec.minimum), ("maximum", spec.maximum)):
        if bound is not None and schema["type"] in {"number", "integer"}:
            schema[key] = bound
        elif bound is not None and key == "maximum":
            schema["maxLength"] = int(bound)
    return schema


def _form() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/CutoutRequest"}
    types = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"content": {media_type: {"schema": schema} for media_type in types}}


def _query(view_name: str) -> list[dict[str, Any]]:
    """Return the query parameters of a GET."""
    if view_name == "sync":
        schemas = {name: _property(spec) for name, spec in PARAMETERS.items()}
        return [{"name": n, "in": "query", "schema": schema} for n, schema in schemas.items()]
    if view_name == "sia2":
        texts = {"type": "array", "items": {"type": "string"}}
        fields = [param.field for param in input_params(rows_default=0, rows_max=0)]
        return [
            {"name": field.name, "in": "query", "schema": texts, "description": field.description}
            for field in fields
        ]
    if view_name == "links":
        texts = {"type": "array", "items": {"type": "string"}}
        ids = {
            "name": "ID",
            "in": "query",
            "schema": texts,
            "description": "Identifiers of data sets",
        }
        text = "Finished job whose results are listed, instead of ID"
        return [
            ids,
            {"name": "JOB", "in": "query", "schema": {"type": "string"}, "description": text},
        ]
    return []


def _views(app: Flask, endpoint: str, methods: set[str]) -> dict[str, Callable[..., Any]]:
    """Return the view of each method of a route."""
    view = app.view_functions[endpoint]
    by_method: dict[str, Callable[..., Any]] | None = getattr(view, "views", None)
    return by_method or dict.fromkeys(sorted(methods - {"HEAD", "OPTIONS"}), view)


def _operation(view: Callable[..., Any], method: str, names: list[str]) -> dict[str, Any]:
    changes = method in {"post", "put", "delete"} and view.__name__ not in _CREATES_NOTHING
    operation: dict[str, Any] = {
        "summary": (inspect.getdoc(view) or "").partition("\n")[0],
        "responses": {
            **(_SEE_OTHER if changes else _OK),
            "default": {"description": "Error as text that begins with a label (UsageError: ...)"},
        },
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if method == "get":
        parameters += _query(view.__name__)
    if parameters:
        operation["parameters"] = parameters
    if method == "post" and view.__name__ in _JOB_FORM:
        operation["requestBody"] = _form()
    return operation


def openapi_document(app: Flask, *, title: str, base_url: str) -> dict[str, Any]:
    """Build the OpenAPI document of all routes of an application."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        if path != "/" and path.endswith("/"):
            continue  # duplicate of the path without the trailing slash
        names = re.findall(r"{([^}]+)}", path)
        for method, view in _views(app, rule.endpoint, rule.methods or set()).items():
            paths.setdefault(path, {})[method.lower()] = _operation(view, method.lower(), names)
    properties = {name: _property(spec) for name, spec in PARAMETERS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "servers": [{"url": base_url}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {"CutoutRequest": {"type": "object", "properties": properties}}},
    }


def create_openapi(services: Services) -> Blueprint:
    """Create the blueprint."""
    title, base_url = services.config.service.title, services.base_url
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        """Describe all routes for programs (OpenAPI 3.1)."""
        return jsonify(openapi_document(current_app, title=title, base_url=base_url()))

    return blueprint
