"""TLS, with a certificate that is read again when it is renewed."""

from __future__ import annotations

import argparse
import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

from serving.folder import stamp
from serving.log import LOGGER

RELOAD = 5.0
"""Seconds between two looks at the files."""


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group("TLS")
    group.add_argument("--tls-certificate", type=Path, help="PEM file with the certificate and its chain")
    group.add_argument("--tls-key", type=Path, help="PEM file with its key")


def tls_arguments(options: argparse.Namespace) -> list[str]:
    """The same options as arguments of a worker."""
    if not options.tls_certificate:
        return []
    return ["--tls-certificate", str(options.tls_certificate), "--tls-key", str(options.tls_key)]


def tls_of(options: argparse.Namespace) -> ssl.SSLContext | None:
    """The context that the options describe; None without a certificate.

    Raises:
        ValueError: A file is missing, or the key is of another certificate.
    """
    if not options.tls_certificate and not options.tls_key:
        return None
    if not (options.tls_certificate and options.tls_key):
        raise ValueError("--tls-certificate and --tls-key go together")
    try:
        return _context(options.tls_certificate, options.tls_key)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"TLS: {options.tls_certificate}, {options.tls_key}: {error}") from None


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


async def follow(contexts: Sequence[ssl.SSLContext], certificate: Path, key: Path) -> None:
    """Load the files again whenever they change; connections that stand keep the old certificate."""
    seen = stamp(certificate), stamp(key)
    while True:
        await asyncio.sleep(RELOAD)
        changed = stamp(certificate), stamp(key)
        if changed == seen:
            continue
        try:
            _context(certificate, key)  # a certificate without its key would leave those that serve with neither
            for context in contexts:
                context.load_cert_chain(certificate, key)
        except OSError as error:
            LOGGER.error("the new certificate can not be used, the old one stays: %s", error)
            continue  # its key may be written in a moment
        seen = changed
        LOGGER.info("the certificate was read again")
