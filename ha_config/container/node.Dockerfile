# An edge node: simulated, or on a Raspberry Pi with its 1-Wire bus and pins passed in.
#   docker build -f ha_config/container/node.Dockerfile -t smart-beer-node .
#   docker run -p 8443:8443 smart-beer-node                        (a simulated mash tun)
#   docker run --device /dev/gpiochip0 --group-add "$(stat -c %g /dev/gpiochip0)" -v /sys:/sys \
#     -v /etc/smart-beer:/etc/smart-beer:ro -v smart-beer:/var/lib/smart-beer -p 8443:8443 \
#     smart-beer-node run --config /etc/smart-beer/edge.yaml
# It runs as user and group 8443, which must be able to read edge.yaml. A volume (smart-beer above) is
# theirs by itself; a folder in its place must be given to them: install -d -o 8443 -g 8443 -m 0700 FOLDER.
# With heaters, rather install it under systemd: a guard in the same container dies with the node.
# Not a newer one: lgpio, which drives the pins, has no wheel for it.
FROM python:3.11-slim AS build
WORKDIR /build
COPY scripts/requirements/node.txt requirements.txt
RUN python -m venv /opt/smart-beer \
    && /opt/smart-beer/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY edge_node edge_node
COPY storage_bridge storage_bridge
RUN /opt/smart-beer/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="smart-beer edge node" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/smart-beer /opt/smart-beer
RUN groupadd --system --gid 8443 smart-beer && useradd --system --uid 8443 --gid 8443 --home-dir /var/lib/smart-beer --shell /usr/sbin/nologin smart-beer \
    && install -d -o smart-beer -g smart-beer -m 0700 /var/lib/smart-beer
ENV PATH=/opt/smart-beer/bin:$PATH PYTHONUNBUFFERED=1
USER 8443:8443
VOLUME /var/lib/smart-beer
# lgpio makes a pipe in the working directory as soon as it is imported; in / this user may not.
WORKDIR /var/lib/smart-beer
EXPOSE 8443
ENTRYPOINT ["smart-beer-edge"]
CMD ["simulate", "--kettle", "mash-tun", "--port", "8443", "--state", "/var/lib/smart-beer"]
