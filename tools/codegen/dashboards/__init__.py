"""The dashboards in deploy/grafana/dashboards: an overview, and one for each service and for Kafka and MongoDB."""

from .grafana import Dashboard
from .kafka import KAFKA
from .mongodb import MONGODB
from .overview import OVERVIEW
from .services import ENGAGEMENT, EXPIRY, FEED, INGEST

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, INGEST, FEED, ENGAGEMENT, EXPIRY, KAFKA, MONGODB)


def pages() -> dict[str, str]:
    """The JSON of each dashboard by file name."""
    return {f"{each.uid}.json": each.text() for each in DASHBOARDS}
