"""What runs on Kubernetes: manifests, and the commands that put them there."""
