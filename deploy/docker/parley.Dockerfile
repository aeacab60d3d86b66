# docker build -f deploy/docker/parley.Dockerfile -t ghcr.io/parley-chat/parley:dev .
# docker run --read-only -p 127.0.0.1:8080:8080 -v parley:/data ghcr.io/parley-chat/parley:dev
FROM golang:1.26-bookworm AS build
ARG VERSION=dev
ENV GOWORK=off CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
COPY services/parley/go.mod services/parley/go.sum ./services/parley/
RUN cd services/parley && go mod download
COPY docs ./docs
COPY pkg ./pkg
COPY internal ./internal
COPY services ./services
RUN cd services/parley && go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/parley ./cmd/parley
RUN mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/parley /parley
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8080 9090
ENTRYPOINT ["/parley"]
CMD ["up", "--data", "/data"]
