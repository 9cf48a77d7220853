"""The claim on an endpoint, against an API that keeps objects as Kubernetes does; tests/cluster holds real ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from deployers.kubernetes import claim
from deployers.kubernetes.claim import claimed
from deployers.kubernetes.cluster import Conflict, Manifest, Missing
from project.errors import Refused, Unreachable
from tests.served import until


class Leases:
    """One Lease with its resource version."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.version = 0
        self.lost_answers = 0
        """So many writes more are done, and nobody hears of it."""

    def get(self, kind: str, name: str) -> Manifest | None:
        return self.lease

    def create(self, manifest: Manifest) -> Manifest:
        if self.lease is not None:
            raise Conflict("it is there", "")
        return self._written(manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        if self.lease is None:
            raise Missing("it is not there", "")
        if manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("somebody wrote it", "")
        return self._written(manifest)

    def delete(self, kind: str, name: str) -> bool:
        there, self.lease = self.lease is not None, None
        return there

    def renewed(self) -> float:
        assert self.lease is not None
        return datetime.fromisoformat(self.lease["spec"]["renewTime"]).timestamp()

    def _written(self, manifest: Manifest) -> Manifest:
        self.version += 1
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unreachable("no answer", "")
        return self.lease


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(claim, "RENEW", 0.01)
    monkeypatch.setattr(claim, "POLL", 0.01)
    return Leases()


def of_another(renewed: float) -> Manifest:
    moment = datetime.fromtimestamp(renewed, UTC).isoformat()
    spec = {"holderIdentity": "another", "leaseDurationSeconds": claim.SECONDS, "renewTime": moment}
    return {"metadata": {"name": "pets-endpoint", "resourceVersion": "x"}, "spec": spec}


def test_it_is_renewed_while_it_is_held_and_leaves_nothing(leases: Any) -> None:
    with claimed(leases, "pets", "deploy pets"):
        began = leases.renewed()
        until(lambda: leases.renewed() > began)
    assert leases.lease is None


def test_a_renewal_whose_answer_is_lost_is_not_the_last(leases: Any) -> None:
    with claimed(leases, "pets", "deploy pets"):
        leases.lost_answers = 1
        until(lambda: leases.lost_answers == 0)
        lost = leases.renewed()
        until(lambda: leases.renewed() > lost)


def test_who_holds_it_and_lives_is_named(leases: Any) -> None:
    with (
        claimed(leases, "pets", "deploy pets"),
        pytest.raises(Refused, match=r"can not roll pets back: process \d+ on .* \(deploy pets, since .*\) is at it"),
        claimed(leases, "pets", "roll pets back"),
    ):
        pass


def test_one_that_was_left_by_a_dead_holder_is_taken(leases: Any) -> None:
    leases.lease = of_another(time.time() - claim.SECONDS - 1)
    with claimed(leases, "pets", "deploy pets"):
        assert leases.lease["spec"]["holderIdentity"].endswith(")")
    assert leases.lease is None


def test_one_whose_dead_holder_had_a_clock_ahead_of_ours_is_taken(leases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SECONDS", 0.3)
    leases.lease = of_another(time.time() + 3600)
    began = time.monotonic()
    with claimed(leases, "pets", "deploy pets"):
        assert time.monotonic() - began > claim.SECONDS  # watched for as long as it lasts


def test_what_was_not_looked_at_for_long_is_watched_anew(leases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API was away: its holder could renew it as little as we could look."""

    class Away(Leases):
        """Its second answer comes late, and until then nobody could renew."""

        looks = 0

        def get(self, kind: str, name: str) -> Manifest | None:
            self.looks += 1
            if self.looks == 2:
                time.sleep(0.4)
            return of_another(time.time() - 3600 + self.looks // 3)

    monkeypatch.setattr(claim, "SECONDS", 0.3)
    away: Any = Away()
    with pytest.raises(Refused, match="can not deploy pets: another is at it"), claimed(away, "pets", "deploy pets"):
        pass


def test_one_whose_making_was_not_heard_of_is_held(leases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unheard(Leases):
        """The first write is done, its answer lost, and the next try finds what it has made."""

        def create(self, manifest: Manifest) -> Manifest:
            super().create(manifest)
            raise Conflict("it is there", "")

    unheard: Any = Unheard()
    with claimed(unheard, "pets", "deploy pets") as held:
        held()


def test_a_holder_whose_clock_is_behind_lives(leases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind(Leases):
        """Another renews it at every look, an hour ago by our clock."""

        def get(self, kind: str, name: str) -> Manifest | None:
            return of_another(time.time() - 3600)

    monkeypatch.setattr(claim, "RENEW", 0.0)  # between two looks the time to take it has passed
    behind: Any = Behind()
    with pytest.raises(Refused, match="can not deploy pets: another is at it"), claimed(behind, "pets", "deploy pets"):
        pass


def test_one_that_is_another_s_by_now_is_left_to_it_and_said(leases: Any) -> None:
    with claimed(leases, "pets", "deploy pets") as held:
        held()
        leases.lease = theirs = of_another(time.time())
        time.sleep(0.05)
        with pytest.raises(Refused, match="can not go on to deploy pets: the claim ran out"):
            held()
    assert leases.lease is theirs
