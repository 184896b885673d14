FROM node:26-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# npm's `prepare` brings a newer Node where the machine's own is too old; this one is not.
COPY scripts ./scripts
# Optional dependencies stay: the compiler's native binary is one.
RUN npm ci
COPY src ./src
# What the gateway is made of is part of dist/; only the database driver stays a package.
RUN npm run build && npm prune --omit=dev

FROM node:26-bookworm-slim
LABEL org.opencontainers.image.title="Gatehouse" \
      org.opencontainers.image.description="A sidecar gateway that gives complete OAuth to MCP servers that have none." \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY config ./config
COPY migrations ./migrations
# `database: sqlite:data/gatehouse.db` is relative to the working directory, which is the volume's parent.
RUN mkdir /data && chown 10001:10001 /data && chmod 700 /data && ln -s /data /app/data
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# The operations listener of gateway.yaml; set GATEHOUSE_HEALTH_URL if yours is elsewhere.
HEALTHCHECK --interval=10s --timeout=3s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.GATEHOUSE_HEALTH_URL ?? 'http://127.0.0.1:9090/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# By default V8 lets the space for new objects grow to 48 MB, once for each process, and is no quicker with it.
ENTRYPOINT ["node", "--max-semi-space-size=8", "dist/cli.js"]
CMD ["serve", "--config", "/etc/gatehouse/gateway.yaml"]
