# One image for operator, router and simulator; the charts choose the command.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml requirements-image.lock README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY router router
RUN python -m venv /opt/pointsman \
 && /opt/pointsman/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock \
 && /opt/pointsman/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
COPY --from=build /opt/pointsman /opt/pointsman
ENV PATH=/opt/pointsman/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
CMD ["pointsman-router"]
