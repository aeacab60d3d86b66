# docker build -f deploy/docker/web.Dockerfile -t ghcr.io/parley-chat/web:dev .
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
RUN go mod download
COPY pkg ./pkg
COPY internal ./internal
COPY web ./web
COPY --from=app /src/web/app/dist ./web/app/dist
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/web ./web/cmd/web

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/web /web
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/web"]
