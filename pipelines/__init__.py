"""Which steps in which order, nothing else."""
