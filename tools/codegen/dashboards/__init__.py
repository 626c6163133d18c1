"""The dashboards of deploy/grafana/dashboards, made from code: an overview, and one for each service and server."""

from .grafana import Dashboard
from .kafka import KAFKA
from .mongodb import MONGODB
from .overview import OVERVIEW
from .services import ENGAGEMENT, EXPIRY, FEED, INGEST

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, INGEST, FEED, ENGAGEMENT, EXPIRY, KAFKA, MONGODB)


def pages() -> dict[str, str]:
    """Each dashboard's JSON by its file's name."""
    return {f"{each.uid}.json": each.text() for each in DASHBOARDS}
