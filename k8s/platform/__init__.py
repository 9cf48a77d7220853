"""The servers that a stack on Kubernetes needs, and who may do what there: `make platform-up`."""
