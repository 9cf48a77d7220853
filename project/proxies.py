"""Where a proxy stands between this machine and the internet: what runs here is asked without it."""

from __future__ import annotations

import os

LOOPBACK = "127.0.0.1,localhost,::1"
_VARIABLE = "no_proxy"  # of both spellings every library heeds this one first


def spare_loopback() -> None:
    """Add this machine to the addresses that are reached without a proxy; every library reads them at each request."""
    spared = os.environ.get(_VARIABLE) or os.environ.get(_VARIABLE.upper(), "")
    if spared != "*":
        os.environ[_VARIABLE] = f"{spared},{LOOPBACK}" if spared else LOOPBACK
