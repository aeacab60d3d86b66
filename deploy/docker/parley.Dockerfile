# docker build -f deploy/docker/parley.Dockerfile -t ghcr.io/parley-chat/parley:dev .
# docker run --read-only -p 127.0.0.1:8080:8080 -v parley:/data ghcr.io/parley-chat/parley:dev
FROM node:24.11-bookworm-slim AS app
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
COPY web/sdk/package.json ./sdk/
COPY web/app/package.json ./app/
RUN npm ci --ignore-scripts
COPY web/sdk ./sdk
COPY web/app ./app
RUN npm run build --workspace app

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
COPY web ./web
COPY --from=app /src/web/app/dist ./web/app/dist
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
