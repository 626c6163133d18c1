"""In-memory fakes with the same contract as what they stand for; the ports describe their methods."""

from stories_ingest.testing.in_memory.access_edges import MemoryAccessEdges
from stories_ingest.testing.in_memory.archive import MemoryArchive
from stories_ingest.testing.in_memory.bucket import MemoryBucket, MemoryPosition
from stories_ingest.testing.in_memory.highlights import MemoryHighlights
from stories_ingest.testing.in_memory.holds import MemoryHolds
from stories_ingest.testing.in_memory.jobs import MemoryRenditionJobs
from stories_ingest.testing.in_memory.media import FakeTranscoder, folder
from stories_ingest.testing.in_memory.publishing import MemoryRelay, RecordingPublisher
from stories_ingest.testing.in_memory.rollout import MemorySignals
from stories_ingest.testing.in_memory.stories import MemoryStories

__all__ = [
    "FakeTranscoder",
    "MemoryAccessEdges",
    "MemoryArchive",
    "MemoryBucket",
    "MemoryHighlights",
    "MemoryHolds",
    "MemoryPosition",
    "MemoryRelay",
    "MemoryRenditionJobs",
    "MemorySignals",
    "MemoryStories",
    "RecordingPublisher",
    "folder",
]
