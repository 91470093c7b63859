package token

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	secret = []byte("0123456789abcdef")
	now    = time.Unix(1_700_000_000, 0)
)

func TestASignedTokenGivesItsSubject(t *testing.T) {
	subject, err := Check(secret, Sign(secret, "demo", now.Add(time.Hour)), now)
	if err != nil || subject != "demo" {
		t.Fatalf("got %q, %v", subject, err)
	}
}

func TestEverythingElseIsRefused(t *testing.T) {
	good := Sign(secret, "demo", now.Add(time.Hour))
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	none := encode([]byte(`{"alg":"none","typ":"JWT"}`))
	for name, token := range map[string]string{
		"empty":             "",
		"not a token":       "abc",
		"other secret":      Sign([]byte("another secret!!"), "demo", now.Add(time.Hour)),
		"expired":           Sign(secret, "demo", now),
		"no subject":        Sign(secret, "", now.Add(time.Hour)),
		"payload changed":   parts[0] + "." + encode([]byte(`{"sub":"root","exp":9999999999}`)) + "." + parts[2],
		"unsigned":          parts[0] + "." + parts[1] + ".",
		"algorithm none":    none + "." + parts[1] + ".",
		"signature mangled": parts[0] + "." + parts[1] + ".!!!",
		"four parts":        good + ".x",
	} {
		t.Run(name, func(t *testing.T) {
			if subject, err := Check(secret, token, now); !errors.Is(err, ErrInvalid) {
				t.Errorf("accepted %q, %v", subject, err)
			}
		})
	}
}
