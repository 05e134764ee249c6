"""What describes the interfaces to programs."""

from importlib import import_module

import bottle

from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem


class Documents:
    """Serves the OpenAPI document of this interface, and the AsyncAPI document of the topics below `prefix` with their JSON Schemas."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the route."""
        app.get("/api/v1/asyncapi.json", callback=self.asyncapi)
        app.get("/api/v1/openapi.json", callback=self.openapi)

    def asyncapi(self) -> bottle.HTTPResponse:
        """AsyncAPI 3 document."""
        query()
        from pathwarden.present.asyncapi import document  # asked for once in a router's life, if ever

        return json_reply(document(self._prefix))

    def openapi(self) -> bottle.HTTPResponse:
        """OpenAPI 3.1 document, which lies in the package with the tools."""
        query()
        name = "pathwarden.api.openapi"
        try:
            found = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise Problem(404, "not_installed", "the description is not installed; it is in the package pathwarden-tools") from None
        return json_reply(found.document())
