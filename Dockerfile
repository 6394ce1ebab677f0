# The toolchain is named by its digest too, so that the same one builds the
# image tomorrow. Another one, such as a mirror's, is given by --build-arg.
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
ARG REVISION=
# /out is what the image holds: the program, the authorities that sign
# registries' certificates, and the folder of the index.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=${VERSION} -X main.revision=${REVISION}" -o /out/usr/local/bin/backref ./cmd/backref \
 && mkdir -p /out/etc/ssl/certs /out/licenses /out/data \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && cp LICENSE /out/licenses/

FROM scratch
COPY --from=build /out/etc /etc
COPY --from=build /out/licenses /licenses
COPY --from=build /out/usr /usr
# A volume that is new gets the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/data /data
ENV PATH=/usr/local/bin
# A number, so that Kubernetes can see that it isn't root.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080 5001
ENTRYPOINT ["/usr/local/bin/backref"]
CMD ["serve"]
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="backref" \
      org.opencontainers.image.description="OCI referrers for container registries that lack them" \
      org.opencontainers.image.url="https://github.com/backref/backref" \
      org.opencontainers.image.source="https://github.com/backref/backref" \
      org.opencontainers.image.documentation="https://github.com/backref/backref/blob/main/docs/deploy-hosts.md" \
      org.opencontainers.image.vendor="The backref authors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
