"""Whether a version may answer the clients of another: what a request and an answer look like must stay."""

from __future__ import annotations

from collections.abc import Iterator

from serving.bundle import Model
from serving.folder import ACCEPTED
from serving.manifest import BundleRefused


def check_fits(offered: Model, served: Model) -> None:
    """Refuse a version whose clients would have to change.

    The model's name, its task, its classes, and the name, place, type and unit of each feature must be those that are
    served. Which values a feature takes may change, either way: a newer version may know more codes or another range,
    and the way back to the older one must stay open.

    Raises:
        BundleRefused: It is of another contract.
    """
    difference = next(_differences(offered, served), "")
    if difference:
        way = f"to serve it take the endpoint down first, or delete {ACCEPTED} while its server is stopped"
        raise BundleRefused(
            f"version {offered.version} is of another contract than version {served.version}, which clients know: "
            f"{difference}; {way}"
        )


def _differences(offered: Model, served: Model) -> Iterator[str]:
    for what in ("name", "task", "classes"):
        now, before = offered.contract[what], served.contract[what]
        if now != before:
            yield f"its {what} {'are' if what == 'classes' else 'is'} {now!r}, not {before!r}"
    features = [contract["features"] for contract in (offered.contract, served.contract)]
    for place, (now, before) in enumerate(zip(*features, strict=False), start=1):
        if now["name"] != before["name"]:
            yield f"its feature {place} is {now['name']!r}, not {before['name']!r}"
        for what in ("type", "unit"):
            if now.get(what) != before.get(what):
                yield f"the {what} of {now['name']!r} is {now.get(what)!r}, not {before.get(what)!r}"
    if len(features[0]) != len(features[1]):
        yield f"it has {len(features[0])} features, not {len(features[1])}"
