# The images of this tree. `serving`, the default, is the online server on its own lock; `steps` holds what the pipelines'
# steps import, and no code of ours; `mlflow` is the tracking server of docker-compose.yml and, with `zenml`, of k8s/platform.
#
#   docker build -t heart-model:dev .
#   docker build -t steps:dev --target steps .
#
# --build-arg REGISTRY=HOST/ takes the base image from a mirror, --build-arg INDEX_URL=ADDRESS the packages; where the
# base image or the daemon is set up for one, neither is needed. BuildKit, Docker's default, builds what the target needs;
# the classic builder builds every stage above it, so give it --target serving.
ARG REGISTRY=
FROM ${REGISTRY}python:3.11-slim-bookworm AS base

# What installs stays here: no image below has uv, a cache or the build's arguments in it.
FROM base AS build
ARG INDEX_URL=
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
COPY requirements/dev.txt /lock/
RUN env ${INDEX_URL:+PIP_INDEX_URL="$INDEX_URL"} \
        pip install --quiet --no-cache-dir --root-user-action ignore --constraint /lock/dev.txt uv \
    && uv venv --quiet /opt/venv

FROM build AS build-serving
ARG INDEX_URL=
COPY requirements/serving.txt /lock/
RUN env ${INDEX_URL:+UV_DEFAULT_INDEX="$INDEX_URL"} \
        uv pip install --quiet --python /opt/venv --requirements /lock/serving.txt
# The packages' own tests, and what converts and shrinks models: an eighth of the image, and the server imports none of it.
RUN cd /opt/venv/lib/python3.11/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && rm -r onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
COPY LICENSE /app/
COPY serving/ /app/serving/
COPY models/heart_disease/ /bundle/
# Any user may read them, also where the clone was made with a strict umask.
RUN chmod -R a+rX /app /bundle && python -m compileall -q /app/serving

FROM base AS serving
# Python's converter of Python 2 keeps its grammars as pickles; nothing here needs it.
RUN rm -rf /usr/local/lib/python3.11/lib2to3
COPY --from=build-serving /opt/venv /opt/venv
COPY --from=build-serving /app /app
COPY --from=build-serving /bundle /bundle
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
# Any other uid will do as well: nothing but /tmp is written.
USER 10001:0
EXPOSE 8000
# Whatever is given after the image's name comes after these, and the last of two equal options counts.
ENTRYPOINT ["python", "-m", "serving", "--directory", "/tmp/endpoint", "--host", "0.0.0.0", "--request-log", "-", "--bundle", "/bundle"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-m", "serving.health", "--directory", "/tmp/endpoint"]
ARG VERSION=development
ARG REVISION=unknown
LABEL org.opencontainers.image.title="heart-model" \
      org.opencontainers.image.description="Serves a tabular classifier from its bundle; /bundle holds the reference one." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM build AS build-steps
ARG INDEX_URL=
RUN apt-get update --quiet=2 \
    && apt-get install --quiet=2 --no-install-recommends binutils >/dev/null \
    && rm -r /var/lib/apt/lists/*
COPY requirements/steps.txt requirements/slim-steps.sh /lock/
RUN env UV_COMPILE_BYTECODE=0 ${INDEX_URL:+UV_DEFAULT_INDEX="$INDEX_URL"} \
        uv pip install --quiet --python /opt/venv --requirements /lock/steps.txt
RUN cd /opt/venv/lib/python3.11/site-packages && VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH HOME=/tmp sh /lock/slim-steps.sh
# ZenML's own pod, which starts those of the steps, loads the stack with our flavors and gets no code. As folders that are
# no packages, these yield to the packages of the same names that steps unpack.
COPY deployers/flavors.py deployers/settings.py deployers/zenml_components.py /flavors/deployers/
COPY project/errors.py /flavors/project/
RUN echo /flavors > /opt/venv/lib/python3.11/site-packages/flavors.pth \
    && chmod -R a+rX /flavors && python -m compileall -q /flavors
# /app is where ZenML unpacks the project's code, which comes by the artifact store: any user's group may write there.
RUN mkdir --parents /root-folder/app && chmod 775 /root-folder/app && mv /flavors /root-folder/

FROM base AS steps
COPY --from=build-steps /opt/venv /opt/venv
COPY --from=build-steps /root-folder/ /
# HOME is where ZenML, MLflow and matplotlib keep their settings; nothing is told to anyone. The pins are those of
# project/determinism.py; an image for arm64 is built with --build-arg CORETYPE=ARMV8.
ARG CORETYPE=HASWELL
ENV OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_CORETYPE=$CORETYPE
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    ZENML_ANALYTICS_OPT_IN=false MLFLOW_DISABLE_TELEMETRY=true GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 \
    GIT_PYTHON_REFRESH=quiet
WORKDIR /tmp
USER 10001:0

FROM build AS build-mlflow
ARG INDEX_URL=
COPY requirements/mlflow-server.txt /lock/
RUN env ${INDEX_URL:+UV_DEFAULT_INDEX="$INDEX_URL"} \
        uv pip install --quiet --python /opt/venv --requirements /lock/mlflow-server.txt \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} + \
    && mkdir -m 775 /mlflow && chown 10001:0 /mlflow

FROM base AS mlflow
COPY --from=build-mlflow /opt/venv /opt/venv
COPY --from=build-mlflow --chown=10001:0 /mlflow /mlflow
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1
WORKDIR /mlflow
USER 10001:0
EXPOSE 5000
ENTRYPOINT ["mlflow", "server", "--host", "0.0.0.0", "--backend-store-uri", "sqlite:////mlflow/mlflow.db", "--artifacts-destination", "/mlflow/artifacts"]

FROM build AS build-zenml
ARG INDEX_URL=
COPY requirements/zenml-server.txt /lock/
RUN env ${INDEX_URL:+UV_DEFAULT_INDEX="$INDEX_URL"} \
        uv pip install --quiet --python /opt/venv --requirements /lock/zenml-server.txt \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} + \
    && mkdir -m 775 /zenml && chown 10001:0 /zenml

FROM base AS zenml
COPY --from=build-zenml /opt/venv /opt/venv
COPY --from=build-zenml --chown=10001:0 /zenml /zenml
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    ZENML_SERVER=true ZENML_ANALYTICS_OPT_IN=false DO_NOT_TRACK=1
WORKDIR /zenml
USER 10001:0
EXPOSE 8080
ENTRYPOINT ["uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "0.0.0.0", "--port", "8080", "--no-server-header"]

FROM serving
