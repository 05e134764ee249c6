"""What describes the interfaces to programs."""

import bottle

from pathwarden.api.live import json_reply, query


class Documents:
    """Serves the AsyncAPI document of the topics below `prefix`, with the JSON Schemas of everything that is published."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the route."""
        app.get("/api/v1/asyncapi.json", callback=self.asyncapi)

    def asyncapi(self) -> bottle.HTTPResponse:
        """AsyncAPI 3 document."""
        query()
        from pathwarden.present.asyncapi import document  # asked for once in a router's life, if ever

        return json_reply(document(self._prefix))
