"""The file of the rollout policy: YAML, reloaded when it changes.

`deploy/rollout.schema.json` is its JSON Schema, `deploy/rollout.example.yaml` an example.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from pydantic import AfterValidator

from stories_shared.rollout import Policy
from stories_shared.runtime.logging import logger

log = logger(__name__)

MAX_FILE_BYTES = 4 * 2**20
"""Allow and deny lists of about 100,000 users."""


class PolicyError(ValueError):
    """The file is not a policy; the message says where."""


def parse(text: bytes) -> Policy:
    """The policy of a YAML file; an empty one lets everyone do everything.

    Raises:
        PolicyError: it is not YAML, or not a policy.
    """
    if len(text) > MAX_FILE_BYTES:
        raise PolicyError(f"a policy has at most {MAX_FILE_BYTES} bytes")
    try:
        document = yaml.safe_load(text)
        return msgspec.convert(document if document is not None else {}, Policy)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise PolicyError(" ".join(str(error).split())[:500]) from error


def read(path: Path) -> Policy:
    """The policy of a file.

    Raises:
        PolicyError: it cannot be read, or is not a policy.
    """
    try:
        with path.open("rb") as file:
            return parse(file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise PolicyError(f"{error.strerror}: {path}") from error


def _with_policy(path: Path) -> Path:
    read(path)
    return path


PolicyPath = Annotated[Path, AfterValidator(_with_policy)]
"""A setting: the path of a policy's file, which is read when the settings are."""


class PolicyFile:
    """The policy in force. `reload` every few seconds keeps the last good one while the file is wrong.

    Args:
        path: of the file; None lets everyone do everything.
        on_reload: called after each reload with whether the file is a policy, and whether it is another one.

    Raises:
        PolicyError: the file is wrong from the start.
    """

    def __init__(self, path: Path | None, on_reload: Callable[[bool, bool], None] = lambda *_: None) -> None:
        self.path = path
        self.on_reload = on_reload
        self.policy = read(path) if path else Policy()
        self._logged: str | None = None
        on_reload(True, True)

    def reload(self) -> None:
        """Read the file again."""
        if self.path is None:
            return
        try:
            policy = read(self.path)
        except PolicyError as error:
            if str(error) != self._logged:
                log.error("rollout_file_refused", path=str(self.path), error=str(error))
            self._logged = str(error)
            self.on_reload(False, False)
            return
        changed = policy != self.policy
        if changed or self._logged is not None:
            log.info("rollout_file_loaded", path=str(self.path))
        self.policy, self._logged = policy, None
        self.on_reload(True, changed)
