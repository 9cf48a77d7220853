"""What the cluster lets a service account do."""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from tests.cluster.conftest import kubectl

RIGHTS = Path(__file__).with_name("rights.yaml")


def granted(of: str, account: str, namespace: str) -> dict[str, str]:
    """An account's verbs in a namespace, by what they are for, beyond what the cluster allows everybody."""
    beyond = sorted(_rights(of, account, namespace) - _rights("default", "nobody", namespace))
    return {what: " ".join(verb for _, verb in each) for what, each in groupby(beyond, key=itemgetter(0))}


def _rights(of: str, account: str, namespace: str) -> set[tuple[str, str]]:
    """Each right as what it is for (a resource, with a name where only that is meant, or a path) and its verb."""
    who = ("--as", f"system:serviceaccount:{of}:{account}")
    found = set()
    for line in kubectl("auth", "can-i", "--list", "--no-headers", "--namespace", namespace, *who).splitlines():
        resource, paths, names, verbs = (part.split() for part in re.split(r" *\[|\] *\[|\]$", line)[:4])
        found |= {(" ".join([*resource, *paths, *names]), verb) for verb in verbs}
    return found
