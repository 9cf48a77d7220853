"""The request log's options on the command line: the server takes them and hands them on to its workers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from serving.option_types import number
from serving.request_log import Lines, RequestLog

MEGABYTE = 1 << 20
KEPT = 5
SAMPLES = "samples.jsonl"


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser that has `--directory`."""
    parser.add_argument(
        "--request-log",
        default="requests.jsonl",
        help="file for a line per request, relative to --directory; -: stdout, none: no log (default: %(default)s)",
    )
    parser.add_argument(
        "--sample-rate",
        type=number(float, "share", "a number from 0 to 1", 0, 1),
        default=0.01,
        help=f"share of the requests kept in {SAMPLES} with inputs and answers; 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--log-megabytes",
        type=number(int, "size of a file", "a whole number of megabytes, at least 1", 1),
        default=20,
        help=f"of a log file; {KEPT} files are kept of each (default: %(default)s)",
    )


def log_complaint(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if all is well."""
    name, path = options.request_log, options.directory / options.request_log
    if name in ("-", "none"):
        return ""
    if path.is_dir() or not name:
        return f"--request-log {name!r} is a folder; name a file in it"
    if path.name == SAMPLES and path.parent == options.directory:
        return f"--request-log {name!r} is where sampled inputs go; choose another name"
    if path.parent != options.directory and not os.access(path.parent, os.W_OK | os.X_OK):
        return (
            f"--request-log {name!r}: {path.parent} is no folder that can be written; make it, or log to stdout with -"
        )
    return ""


def log_arguments(options: argparse.Namespace) -> list[str]:
    """The same options as arguments of a worker."""
    given = {"--request-log": options.request_log, "--sample-rate": options.sample_rate}
    return [f"{name}={value}" for name, value in {**given, "--log-megabytes": options.log_megabytes}.items()]


def log_of(options: argparse.Namespace) -> RequestLog:
    """The log that the options describe."""
    most = options.log_megabytes * MEGABYTE
    name, folder = options.request_log, options.directory
    requests = None if name == "none" else Lines(Path(name) if name == "-" else folder / name, most, KEPT)
    samples = Lines(folder / SAMPLES, most, KEPT, mode=0o600) if options.sample_rate else None
    return RequestLog(requests, samples, options.sample_rate)
