"""The Seldon backend: one SeldonDeployment per endpoint, a predictor per version, behind the same route."""

from deployers.seldon.backend import seldon_deployer

__all__ = ["seldon_deployer"]
