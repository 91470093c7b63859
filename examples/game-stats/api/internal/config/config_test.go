package config

import (
	"strings"
	"testing"
	"time"
)

const (
	goodURL    = "postgres://stats:pw@db:5432/stats"
	goodSecret = "0123456789abcdef"
)

func load(extra map[string]string) (Settings, error) {
	env := map[string]string{"DATABASE_URL": goodURL, "JWT_SECRET": goodSecret}
	for name, value := range extra {
		env[name] = value
	}
	return Load(func(name string) string { return env[name] })
}

func TestDefaultsFillWhatIsNotSet(t *testing.T) {
	settings, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if settings.Port != 4000 || settings.Drain != 5*time.Second {
		t.Errorf("port %d, drain %s", settings.Port, settings.Drain)
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct{ name, value string }{
		{"DATABASE_URL", ""},
		{"DATABASE_URL", "mysql://stats:canary@db/stats"},
		{"JWT_SECRET", ""},
		{"JWT_SECRET", "canary"},
		{"PORT", "http"},
		{"PORT", "0"},
		{"PORT", "65536"},
		{"DRAIN_SECONDS", "-1"},
		{"DRAIN_SECONDS", "61"},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			_, err := load(map[string]string{tc.name: tc.value})
			if err == nil || !strings.HasPrefix(err.Error(), tc.name+":") {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is in the message: %v", err)
			}
		})
	}
}

func TestEveryProblemIsToldAtOnce(t *testing.T) {
	_, err := Load(func(string) string { return "" })
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatalf("want two lines, got %v", err)
	}
}
