# The image of the gateway. It is made of nothing: the binary, the libraries it
# is linked with and the system's roots of trust. There is no shell, no package
# manager and no foreign base image to keep up to date; what is not in it
# cannot be run in it.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# Dependencies first, from the manifests alone: they are compiled again only
# when a manifest or the lock file changes.
COPY Cargo.toml Cargo.lock ./
COPY policy/Cargo.toml policy/
COPY conf/Cargo.toml conf/
COPY gateway/Cargo.toml gateway/
COPY integration-tests/Cargo.toml integration-tests/
COPY load-tests/Cargo.toml load-tests/
COPY fuzz/Cargo.toml fuzz/
COPY tools/stub-sources.sh tools/
RUN tools/stub-sources.sh \
    && cargo build --release --locked -p gateway --bin egret

# Then what is ours. The stubs are older than any change only if this says so.
COPY policy/ policy/
COPY conf/ conf/
COPY gateway/ gateway/
RUN find policy conf gateway -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p gateway --bin egret \
    && strip --strip-debug target/release/egret

# The root file system of the image, in a folder: the binary, what its loader
# asks for, and the roots of trust where BoringSSL looks for them.
RUN mkdir -p /image/etc/ssl /image/etc/egret \
    && cp target/release/egret /image/egret \
    && ldd /image/egret | grep -o '/[^ ]*' | xargs -I{} cp --parents --dereference {} /image \
    && cp --dereference /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/cert.pem

FROM scratch
LABEL org.opencontainers.image.title="egret" \
      org.opencontainers.image.description="A hardened egress gateway for service meshes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# Any user but root will do: nothing belongs to it and nothing is written, so
# the root file system can be mounted read-only. (Istio's own proxy is 1337,
# which only its traffic capture cares about, and a gateway has none.)
USER 65532:65532
# The mesh, and readiness with metrics.
EXPOSE 8443 15021
ENTRYPOINT ["/egret"]
CMD ["run", "--config", "/etc/egret"]
