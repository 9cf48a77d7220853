"""The local backend: a server process on this machine, supervised, its traffic table a file."""

from deployers.local.deployer import LocalDeployer

__all__ = ["LocalDeployer"]
