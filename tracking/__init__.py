"""How runs, bundles and versions are kept: materializers, MLflow, ZenML's model control plane."""
