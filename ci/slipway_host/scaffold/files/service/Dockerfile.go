FROM docker.io/library/golang:[[ version ]]-trixie AS build
WORKDIR /src
COPY [[ sums ]] ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/service [[ package ]]

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/service /usr/local/bin/service
# As numbers: Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
EXPOSE [[ port ]]
ENTRYPOINT ["/usr/local/bin/service"]
