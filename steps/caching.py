"""Cache policies that see what a step really depends on.

ZenML's own key covers the code of the step function alone: an edited helper would return the old value from
the cache. Every cached step therefore names the files it stands on, and the lock.
"""

from __future__ import annotations

from zenml.config.cache_policy import CachePolicy

LOCK = "requirements.txt"


def on(*files: str) -> CachePolicy:
    """Run again when one of `files` (relative to the project), the lock, an input's value or a parameter changes.

    Values count rather than artifact ids where a materializer can hash them, so that the same bundle made
    twice is the same input.
    """
    return CachePolicy(include_artifact_ids=False, file_dependencies=sorted({*files, LOCK}))
