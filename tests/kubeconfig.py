"""A kubeconfig of a server that stands for a cluster's API."""

from __future__ import annotations

from pathlib import Path


def kubeconfig(file: Path, server: str, context: str = "test") -> Path:
    """Write it, with one context, which is the current one; the server is an address."""
    file.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: {context}\n"
        f"contexts: [{{name: {context}, context: {{cluster: {context}, user: {context}}}}}]\n"
        f"clusters: [{{name: {context}, cluster: {{server: '{server}'}}}}]\nusers: [{{name: {context}, user: {{}}}}]\n"
    )
    return file
