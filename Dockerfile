# One image for the API and the worker, and for whatever else runs once (migrate, seed):
#
#   docker build -t holdfast .
#   docker run --read-only --init ... holdfast                      the API
#   docker run --read-only --init ... holdfast node worker/main.ts  the worker
#
# It writes nothing, so its root file system may be read-only, and it runs as nobody in particular. To build from
# just these bytes for ever, pass the base by digest: --build-arg NODE_IMAGE=node:26-slim@sha256:...
ARG NODE_IMAGE=node:26-slim

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# No package that runs in production needs a script to be installed.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
# A process that is number 1 must take in orphans and hand signals on. Node does neither well.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes tini \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 WORKER_PORT=8080
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY lua ./lua
COPY sql ./sql
COPY src ./src
COPY worker ./worker
COPY scripts ./scripts
# The image's own user `node`, by number: Kubernetes can't tell from a name that it is not root.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=1m \
    CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health').then(({ ok }) => process.exit(ok ? 0 : 1))"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "src/main.ts"]
