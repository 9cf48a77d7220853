#!/bin/sh
# Takes out of an environment on requirements/steps.txt what no step loads, and compiles what they do: 1.2 GB to 0.75.
# Run with the environment's site-packages as the working directory and its Python first on the path.
set -eu

# What others ask for and import only where it is used: time series, fake data, an event loop of the server's.
uv pip uninstall --quiet faker patsy statsmodels uvloop setuptools

# Tests that come along. evidently's stay: `evidently.legacy.tests` is a part of it.
for package in fontTools great_expectations matplotlib numpy onnx pandas pyarrow scipy sklearn skl2onnx; do
    find $package -type d -name tests -prune -exec rm -r {} +
done

# Pages that a server or a notebook would show, and data sets, converters and RPC that nobody here calls.

rm -r evidently/ui/service/assets evidently/legacy/ui/assets \
    jupyterlab_plotly plotly/package_data/plotly.min.js zenml/zen_server/dashboard \
    matplotlib/mpl-data/sample_data onnx/backend/test \
    onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers \
    pyarrow/include pyarrow/src pyarrow/libarrow_flight.so.* pyarrow/_flight.* \
    pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name 'sts*' ! -name 'sso*' -exec rm -r {} +

# Sources and stubs for compilers and type checkers; symbols for debuggers. Stripping breaks OpenBLAS, in the *.libs.
find . -type f \( -name '*.pyi' -o -name '*.py[xp]' -o -name '*.px[di]' -o -name '*.c' -o -name '*.h' -o -name '*.cpp' \
    -o -name '*.hpp' -o -name '*.a' -o -name '*.map' \) -delete
find . -path './*.libs' -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} + 2>/dev/null

# All of it compiled is as large again; what is imported here is compiled, and no more.
PYTHONDONTWRITEBYTECODE= python - <<'IMPORTS'
import evidently, evidently.presets, great_expectations, kubernetes.client, matplotlib.figure, mlflow.sklearn, onnx, onnxruntime
import pandas, pyarrow.parquet, s3fs, scipy.stats, skl2onnx, sklearn.ensemble, sklearn.linear_model, sklearn.model_selection
import skops.io, zenml.client, zenml.pipelines
import zenml.integrations.kubernetes.orchestrators, zenml.integrations.mlflow.experiment_trackers
import zenml.integrations.s3.artifact_stores
IMPORTS
