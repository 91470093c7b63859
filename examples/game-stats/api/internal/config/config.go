// Package config reads the service's settings from its environment.
package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPort    = 4000
	defaultDrain   = 5
	maxDrain       = 60
	minSecretBytes = 16
)

// Settings is what the service needs to know.
type Settings struct {
	DatabaseURL string
	JWTSecret   []byte
	Port        int
	// Drain is how long requests are still answered after SIGTERM, while the endpoints of the Service follow.
	Drain time.Duration
}

// Load returns the settings, or every problem at once. No message holds a value of a secret.
func Load(getenv func(string) string) (Settings, error) {
	var problems []error
	databaseURL := getenv("DATABASE_URL")
	if !strings.HasPrefix(databaseURL, "postgres://") && !strings.HasPrefix(databaseURL, "postgresql://") {
		problems = append(problems, errors.New("DATABASE_URL: want postgres://user:password@host:5432/name"))
	}
	secret := getenv("JWT_SECRET")
	if len(secret) < minSecretBytes {
		problems = append(problems, fmt.Errorf("JWT_SECRET: want at least %d bytes, got %d", minSecretBytes, len(secret)))
	}
	port, err := number(getenv, "PORT", defaultPort, 1, 65535)
	problems = append(problems, err)
	drain, err := number(getenv, "DRAIN_SECONDS", defaultDrain, 0, maxDrain)
	problems = append(problems, err)
	return Settings{
		DatabaseURL: databaseURL,
		JWTSecret:   []byte(secret),
		Port:        port,
		Drain:       time.Duration(drain) * time.Second,
	}, errors.Join(problems...)
}

func number(getenv func(string) string, name string, fallback, low, high int) (int, error) {
	text := getenv(name)
	if text == "" {
		return fallback, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < low || value > high {
		return 0, fmt.Errorf("%s: want a number from %d to %d, got %q", name, low, high, text)
	}
	return value, nil
}
