"""The options that say who may ask: the supervisor takes and checks them, its workers get them handed on."""

from __future__ import annotations

import argparse
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

from serving.access import Access
from serving.folder import KNOWN_JWKS
from serving.keys import KeyFileError, KeyRing
from serving.limits import Buckets, Policy
from serving.option_types import number

RATE = 1000.0
"""Requests per second of each key and of each address, where keys are needed."""
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
"""In small letters and without a path, as browsers send it: any other would match none."""
REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105  the name of a variable, no password


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group("who may ask", "without --open, --keys or --jwks a key is made and printed once")
    group.add_argument("--open", action="store_true", help="answer anyone; on a loopback address alone")
    group.add_argument(
        "--published-on-loopback",
        action="store_true",
        help="for a container whose port is published on 127.0.0.1 alone: --open may listen on any address in it",
    )
    group.add_argument("--keys", type=Path, help="key file, written by `python -m serving.keys`")
    group.add_argument("--jwks", help="file or https address of the keys that sign JSON Web Tokens")
    group.add_argument("--jwt-issuer", help="the `iss` of the tokens")
    group.add_argument("--jwt-audience", help="the `aud` of the tokens")
    group.add_argument(
        "--rate",
        type=number(float, "rate", "a number of requests per second, 0 for no limit", 0),
        help=f"requests per second of a key and of an address; 0: no limit (default: {RATE:g}; 0 if open)",
    )
    burst = number(int, "burst", "a whole number of requests, at least 1", 1)
    group.add_argument("--burst", type=burst, help="requests at once (default: twice the rate)")
    group.add_argument(
        "--redis", help=f"redis://HOST:PORT/N: limits of all replicas together; password in ${REDIS_PASSWORD}"
    )
    group.add_argument(
        "--trusted-proxies", nargs="+", default=[], metavar="NETWORK", help="believe their X-Forwarded-For"
    )
    group.add_argument("--cors-origins", nargs="+", default=[], metavar="ORIGIN", help="web pages that may ask (none)")


def complaint(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if all is well."""
    if options.open and (options.keys or options.jwks):
        return "--open answers anyone; leave out --keys and --jwks, or --open"
    if options.open and not options.published_on_loopback and not _loopback(options.host):
        return (
            f"--open on {options.host} would answer the whole network; listen on 127.0.0.1, or give --keys FILE; "
            "in a container whose port is published on 127.0.0.1 alone add --published-on-loopback"
        )
    if options.jwks and not (options.jwt_issuer and options.jwt_audience):
        return "--jwks needs --jwt-issuer and --jwt-audience: a token for somebody else must not open this"
    if options.redis and not options.redis.startswith(("redis://", "rediss://", "unix://")):
        return f"--redis {options.redis!r} is no address; write redis://HOST:PORT/0"
    for origin in options.cors_origins:
        if not ORIGIN.fullmatch(origin):
            return (
                f"--cors-origins {origin!r} is no origin as browsers send it; write https://HOST or https://HOST:PORT"
            )
    try:
        access_of(options, None)
    except (ValueError, KeyFileError) as error:
        return str(error)
    return ""


def access_arguments(options: argparse.Namespace) -> list[str]:
    """The same options as arguments of a worker."""
    found = [f"--{name.replace('_', '-')}" for name in ("open", "published_on_loopback") if getattr(options, name)]
    for name in ("keys", "jwks", "jwt_issuer", "jwt_audience", "rate", "burst", "redis"):
        value = getattr(options, name)
        if value is not None:
            found.append(f"--{name.replace('_', '-')}={value}")
    for name in ("trusted_proxies", "cors_origins"):
        if getattr(options, name):
            found += [f"--{name.replace('_', '-')}", *getattr(options, name)]
    return found


def access_of(options: argparse.Namespace, limits_fd: int | None) -> Access:
    """The access that the options describe; memory that the workers share for their limits makes it that of a worker.

    Raises:
        ValueError: The JWKS or a network can not be read.
        KeyFileError: The key file can not be read.
    """
    tokens = redis = None
    if options.jwks:
        from serving.tokens import Tokens  # with the cryptography that only tokens need

        known = None if limits_fd is None else options.directory / KNOWN_JWKS
        tokens = Tokens(options.jwks, options.jwt_issuer, options.jwt_audience, known)
    rate = options.rate if options.rate is not None else 0.0 if options.open else RATE
    burst = options.burst or max(int(2 * rate), 1)
    buckets = Buckets(limits_fd) if rate else None
    if options.redis and buckets:
        from serving.redis_limits import RedisBuckets  # whose client only this needs

        redis = RedisBuckets(options.redis, os.environ.get(REDIS_PASSWORD), buckets)
    return Access(
        keys=KeyRing(options.keys) if options.keys else None,
        tokens=tokens,
        by_key=Policy("key", rate, burst) if rate else None,
        by_address=Policy("address", rate, burst) if rate else None,
        buckets=buckets,
        redis=redis,
        proxies=[ip_network(each) for each in options.trusted_proxies],
        origins=options.cors_origins,
    )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
