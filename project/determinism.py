"""What must be pinned for the same training to give the same bytes."""

from __future__ import annotations

import platform

PINNED = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "ARMV8" if platform.machine() in ("arm64", "aarch64") else "HASWELL",
}
"""Environment of every process that trains: sums of floats depend on the BLAS kernel and its threads."""
