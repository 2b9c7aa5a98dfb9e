# One image for operator, router and simulator; the charts choose the command.
# With `--build-arg LOCK=requirements-image-keda.lock` the operator can also be a scaler of KEDA's, with
# LOCK=requirements-image-otel.lock routers can send traces; LOCK="... ..." takes both.
FROM python:3.12-slim AS build
ARG LOCK=requirements-image.lock
WORKDIR /src
COPY pyproject.toml requirements-image*.lock README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY router router
RUN python -m venv /opt/pointsman \
 && /opt/pointsman/bin/pip install --no-cache-dir --require-hashes $(printf -- '-r %s ' ${LOCK}) \
 && /opt/pointsman/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
COPY --from=build /opt/pointsman /opt/pointsman
ENV PATH=/opt/pointsman/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
CMD ["pointsman-router"]
