"""In-memory access edges with the same contract as the MongoDB ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stories_ingest.domain.access_edges import Edge, EdgeState


@dataclass(slots=True)
class MemoryAccessEdges:
    """The newest state of each edge."""

    edges: dict[Edge, EdgeState] = field(default_factory=dict)
    stale: bool = False
    """Whether the log has not been read in time."""

    async def put(self, edge: Edge, state: EdgeState) -> None:
        self.edges[edge] = max(self.edges.get(edge, state), state)

    async def states(self, edges: Collection[Edge]) -> dict[Edge, EdgeState]:
        return {edge: self.edges[edge] for edge in edges if edge in self.edges}

    async def outdated(self, states: Mapping[Edge, EdgeState]) -> set[Edge]:
        return {edge for edge, state in states.items() if edge in self.edges and self.edges[edge] >= state}

    def is_stale(self, *_user_ids: str) -> bool:
        return self.stale
