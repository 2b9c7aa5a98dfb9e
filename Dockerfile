# Three images, one for each part, so that the router, which strangers reach, has neither a Kubernetes client nor
# numpy: `docker build --target router .`, or `operator`, `ledger`. Simulators run the router's. The files are laid out
# by images/assemble.py, which also builds them without Docker (docs/images.md). No shell, no package manager; the
# user is 65532 and nothing is written outside of mounted folders.
# With `--build-arg EXTRA=keda` the operator can also be a scaler of KEDA's.
# The router's request path is compiled (docs/performance.md); with `--build-arg COMPILE=0` it is plain Python.
# A release pins the base by its digest: `--build-arg DEBIAN=debian:trixie-slim@sha256:...`.
ARG DEBIAN=debian:trixie-slim
FROM ${DEBIAN} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils gcc libc6-dev libpython3.13-dev mmdebstrap python3-pip python3-venv
WORKDIR /src
COPY requirements-build.lock ./
COPY images images
RUN python3 images/assemble.py debian /out/debian
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r images/router.lock -r requirements-build.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY router router
ARG COMPILE=require
ARG SOURCE_DATE_EPOCH=1735689600
RUN POINTSMAN_COMPILE=${COMPILE} /opt/build/bin/python -m hatchling build -t wheel -d /wheels

FROM build AS operator-files
ARG EXTRA=
RUN python3 images/assemble.py install /out/operator operator /wheels/*.whl --extra "${EXTRA}"
FROM build AS router-files
RUN python3 images/assemble.py install /out/router router /wheels/*.whl
FROM build AS ledger-files
RUN python3 images/assemble.py install /out/ledger ledger /wheels/*.whl

FROM scratch AS debian
COPY --from=build /out/debian /
ENV PATH=/usr/local/bin:/usr/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /

FROM debian AS operator
COPY --from=operator-files /out/operator /
CMD ["pointsman-operator"]

FROM debian AS ledger
COPY --from=ledger-files /out/ledger /
CMD ["pointsman-ledger"]

FROM debian AS router
COPY --from=router-files /out/router /
CMD ["pointsman-router"]
