# The image from source, for those who build their own: docker build --build-arg VERSION=v0.1.0 .
# It is the released one (release/Dockerfile) but for who compiled it.
ARG BUILDER=golang:1.26
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/epilogue ./cmd/daemon

FROM scratch
COPY --from=build /out/epilogue /epilogue
USER 65532:65532
ENTRYPOINT ["/epilogue"]
