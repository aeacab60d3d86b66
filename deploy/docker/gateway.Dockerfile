# docker build -f deploy/docker/gateway.Dockerfile -t ghcr.io/parley-chat/gateway:dev .
FROM golang:1.26-bookworm AS build
ARG VERSION=dev
ENV GOWORK=off CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY pkg ./pkg
COPY internal ./internal
COPY services/gateway ./services/gateway
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/gateway ./services/gateway/cmd/gateway

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/gateway /gateway
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/gateway"]
