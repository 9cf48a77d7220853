"""The stacks as YAML, what registers them in ZenML, and what compares the two."""
