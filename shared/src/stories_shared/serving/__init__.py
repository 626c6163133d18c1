"""What every service's process is made of: its connections, its loops, its health, its HTTP server.

``Foundation`` is wired by hand in a service's ``app`` room; ``serve`` runs what it builds.
"""

from stories_shared.serving.foundation import Foundation
from stories_shared.serving.loops import Loops
from stories_shared.serving.server import serve

__all__ = ["Foundation", "Loops", "serve"]
