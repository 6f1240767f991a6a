# gchat in a container:
#   docker build -t gchat .
#   docker run -d --name gchat --read-only --tmpfs /tmp -p 127.0.0.1:8888:8888 -v gchat:/var/lib/gchat gchat
#   docker exec gchat gchat-server --export lobby
#   docker exec gchat gchat-server --backup /var/lib/gchat/backup.db
# Settings are environment variables, as -e GCHAT_LIMITS_BURST=100. The admin endpoint is at 127.0.0.1:8889 in the
# container alone, and its token in /var/lib/gchat/admin-token.
FROM python:3.13-slim AS build
COPY requirements.lock requirements-test.lock /build/
# The tool that makes the wheel, and what a cluster needs, are locked too; nothing is fetched without a hash.
RUN python -m venv /opt/gchat \
    && sed -n '/^flit-core==/,/[^\\]$/p; /^hiredis==/,/[^\\]$/p' /build/requirements-test.lock > /build/more.lock \
    && /opt/gchat/bin/pip install --no-cache-dir --require-hashes -r /build/requirements.lock -r /build/more.lock
COPY pyproject.toml README.md LICENSE /build/
COPY config /build/config/
COPY data /build/data/
COPY gchat /build/gchat/
RUN /opt/gchat/bin/pip install --no-cache-dir --no-deps --no-index --no-build-isolation /build \
    && /opt/gchat/bin/pip uninstall -y flit-core pip

FROM python:3.13-slim
# A new volume has the owner and the mode that its directory has here.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/gchat
COPY --from=build /opt/gchat /opt/gchat/
ENV PATH=/opt/gchat/bin:$PATH GCHAT_SERVER_HOST=0.0.0.0 STATE_DIRECTORY=/var/lib/gchat
USER 10001:10001
VOLUME /var/lib/gchat
EXPOSE 8888
# Without a proxy, whatever the environment names.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8889, timeout=4); c.request('GET', '/healthz'); exit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["gchat-server"]
CMD ["--quiet"]
