// Package distconsts tells the engine where the lab keeps the engine's parts.
//
// The published module replaces this package by a folder of its own, which the module registry does not
// serve; the names are those that the engine's packages use, the values are the lab's.
package distconsts

// Programs that the engine starts.
const (
	RuncPath       = "/usr/sbin/runc"
	TiniPath       = "/usr/bin/tini"
	DaggerInitPath = "/usr/local/bin/dagger-init"
)

// Where the engine listens and keeps its files.
const (
	EngineContainerName              = "slipway-lab-engine"
	DefaultEngineSockAddr            = "unix:///run/dagger/engine.sock"
	EngineDefaultStateDir            = "/var/lib/dagger"
	EngineCustomCACertsDir           = "/usr/local/share/ca-certificates"
	EngineContainerBuiltinContentDir = "/usr/local/share/dagger/content"
)

// Names inside images.
const (
	AlpineImage          = "docker.io/library/alpine:3.22"
	OCIVersionAnnotation = "org.opencontainers.image.version"
)

// Environment variables that hold the manifest digest of each SDK's content.
const (
	GoSDKManifestDigestEnvName         = "SLIPWAY_LAB_GO_SDK_DIGEST"
	PythonSDKManifestDigestEnvName     = "SLIPWAY_LAB_PYTHON_SDK_DIGEST"
	TypescriptSDKManifestDigestEnvName = "SLIPWAY_LAB_TYPESCRIPT_SDK_DIGEST"
)
