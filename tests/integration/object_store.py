"""An S3 server of its own, found by boto3 and s3fs as they find any other: by the environment."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "tables"

ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@contextmanager
def object_store() -> Iterator[Any]:
    """A boto3 client of a running server with nothing but an empty `BUCKET`; commands of the block reach it too."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    reset = urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()  # what one server of a process stores, the next one has
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        try:
            yield client
        finally:
            server.stop()


@contextmanager
def with_keys() -> Iterator[None]:
    """In this block the running server checks keys, and the environment has the only one that it takes."""
    iam = boto3.client("iam")
    iam.create_user(UserName="tests")
    iam.put_user_policy(UserName="tests", PolicyName="anything", PolicyDocument=ANYTHING)
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        environment.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        _check_keys_after("0")
        try:
            yield
        finally:
            _check_keys_after("inf")


def _check_keys_after(requests: str) -> None:
    address = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    body = urllib.request.Request(address, requests.encode(), {"Content-Type": "text/plain"}, method="POST")
    urllib.request.urlopen(body).close()
