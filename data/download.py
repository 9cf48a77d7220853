"""Download the files of a data set from the addresses in its contract.

`python data/download.py --dataset penguins` is `python run.py data download --dataset penguins`.
"""

from __future__ import annotations

import hashlib
import http.client
import runpy
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # before anything is imported that this Python may lack: `run.py` says so, and exits
    project = Path(__file__).resolve().parent.parent
    sys.path[0] = str(project)
    sys.argv[1:1] = ["data", "download"]
    runpy.run_path(str(project / "run.py"), run_name="__main__")

from project.errors import ConfigError, Refused, Unreachable
from tabular.contract import refuse_unknown_sites
from tabular.files import opened, replaced
from tabular.reading import fingerprint, located

if TYPE_CHECKING:
    from tabular.contract import Contract, Site

SECONDS, BLOCK = 20, 1 << 16
WAITS = (0.5, 2.0)
"""Seconds before the second and the third attempt."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which another attempt may succeed."""


class _Passing(Exception):
    """A failure that may be gone at the next attempt."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A site's file after the download."""

    site: str
    path: str
    url: str
    sha256: str
    state: str
    """`downloaded`, `unchanged` (the same bytes were there), or `kept` (the copy that was there, as asked)."""


def download(contract: Contract, sites: Sequence[str] = (), from_copy: bool = False) -> list[Downloaded]:
    """Fetch the files of a contract's sites, each verified before it takes its place.

    Args:
        contract: Gives address, checksum and place of each file.
        sites: Which; every site that has an address where empty.
        from_copy: Where an address does not answer, keep the file that is there if its checksum holds.

    Raises:
        ConfigError: There is no such site, or nothing has an address.
        Unreachable: An address does not answer, after three attempts.
        Refused: The bytes are not those of the contract; the file that was there stays.
    """
    refuse_unknown_sites(contract, sites)
    chosen = {name: site for name, site in contract.sites.items() if (name in sites if sites else site.url)}
    without = next((name for name, site in chosen.items() if site.url is None), None)
    if without is not None or not chosen:
        what = f"site {without!r} of {contract.name}" if without else contract.name
        raise ConfigError(f"{what} has no 'url' in its contract", f"add one to configs/datasets/{contract.name}.yaml")
    return [_download_site(contract, name, site, from_copy) for name, site in chosen.items()]


def _download_site(contract: Contract, name: str, site: Site, from_copy: bool) -> Downloaded:
    url, again = str(site.url), f"python run.py data download --dataset {contract.name}"
    try:
        before = fingerprint(site.path)
    except Unreachable:
        before = ""
    try:
        with replaced(located(site.path)) as new:
            digest = _fetch(
                url, new, f"connect and type it again, or keep the files that are here: {again} --from-copy"
            )
            if site.sha256 and digest != site.sha256:
                raise Refused(
                    f"{url}: sha256 is {digest[:12]}…, the contract says {site.sha256[:12]}…; nothing was changed",
                    f"look at what its publisher changed, then correct configs/datasets/{contract.name}.yaml",
                )
    except Unreachable as error:
        if not from_copy:
            raise
        if not before or before != (site.sha256 or before):
            what = "does not match the contract's sha256" if before else "is not there"
            raise Unreachable(f"{error.cause}; and the copy {site.path} {what}", "connect and type it again") from None
        return Downloaded(name, site.path, url, before, "kept")
    return Downloaded(name, site.path, url, digest, "unchanged" if digest == before else "downloaded")


def _fetch(url: str, target: Path, offline: str) -> str:
    """Write the bytes behind an address to a file; their sha256. What to do where nothing answers is `offline`."""
    for attempt in range(len(WAITS) + 1):
        if attempt:
            time.sleep(WAITS[attempt - 1])
        try:
            digest = hashlib.sha256()
            with target.open("wb") as file:
                for block in _blocks(url):
                    digest.update(block)
                    file.write(block)
            return digest.hexdigest()
        except _Passing as error:
            last = error
    raise Unreachable(f"{url} does not answer after {len(WAITS) + 1} attempts: {last}", offline)


def _blocks(url: str) -> Iterator[bytes]:
    if not url.startswith(("http://", "https://")):
        with opened(url) as file:
            while block := file.read(BLOCK):
                yield block
        return
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as response:  # noqa: S310  http or https, as just seen
            while block := response.read(BLOCK):
                yield block
            if response.length:  # what is still to come of what the server announced
                raise _Passing(f"the connection ended {response.length} bytes too early")
    except urllib.error.HTTPError as error:
        if error.code in AGAIN:
            raise _Passing(str(error)) from None
        raise Unreachable(f"{url} answers {error.code} {error.reason}", "check the address in the contract") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(str(error)) from None
