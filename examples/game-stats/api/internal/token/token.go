// Package token signs and checks bearer tokens: JWTs with HS256, and nothing else.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// header is the only one that is accepted, byte for byte: an "alg" that the sender may choose is the classic hole in
// checks of JWTs.
var header = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// ErrInvalid says that a token is not ours, or no longer valid. Which of the two is not for the sender to know.
var ErrInvalid = errors.New("invalid token")

type claims struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

// Sign returns a token for one subject.
func Sign(secret []byte, subject string, expires time.Time) string {
	// Marshalling a string and a number cannot fail.
	payload, _ := json.Marshal(claims{Subject: subject, Expires: expires.Unix()})
	signed := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac(secret, signed))
}

// Check returns the subject of a valid token.
func Check(secret []byte, token string, now time.Time) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != header {
		return "", ErrInvalid
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, mac(secret, parts[0]+"."+parts[1])) {
		return "", ErrInvalid
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ErrInvalid
	}
	var found claims
	if json.Unmarshal(payload, &found) != nil || found.Subject == "" || now.Unix() >= found.Expires {
		return "", ErrInvalid
	}
	return found.Subject, nil
}

func mac(secret []byte, text string) []byte {
	hash := hmac.New(sha256.New, secret)
	hash.Write([]byte(text))
	return hash.Sum(nil)
}
