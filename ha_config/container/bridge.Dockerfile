# The storage bridge with the drivers of all stores.
#   docker build -f ha_config/container/bridge.Dockerfile -t smart-beer-bridge .
# The packages are those of the tests, pinned by hash; nothing is compiled.
FROM python:3.14-slim AS build
WORKDIR /build
COPY scripts/requirements/bridge.txt requirements.txt
RUN python -m venv /opt/smart-beer \
    && /opt/smart-beer/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY edge_node edge_node
COPY storage_bridge storage_bridge
RUN /opt/smart-beer/bin/pip install --no-cache-dir --no-deps .

FROM python:3.14-slim
LABEL org.opencontainers.image.title="smart-beer storage bridge" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/smart-beer /opt/smart-beer
RUN groupadd --system --gid 8555 smart-beer && useradd --system --uid 8555 --gid 8555 --home-dir /data --shell /usr/sbin/nologin smart-beer \
    && install -d -o smart-beer -g smart-beer -m 0700 /data
ENV PATH=/opt/smart-beer/bin:$PATH PYTHONUNBUFFERED=1
USER 8555:8555
VOLUME /data
EXPOSE 8555
# The bridge stores what it has in its outbox when it is told to stop.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8555/healthz', timeout=4)"]
ENTRYPOINT ["smart-beer-bridge"]
CMD ["run", "--config", "/data/bridge.yaml"]
