// Package smoke asks running pods what everybody asks first.
package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	timeout = 10 * time.Second
	maxBody = 1 << 20
)

// Check returns what is wrong with the first pod that is not the revision, or has no scores to show.
func Check(urls []string, revision string) error {
	if len(urls) == 0 {
		return errors.New("SMOKE_URLS: want the pods' addresses")
	}
	client := &http.Client{Timeout: timeout}
	for _, url := range urls {
		var version struct{ Version string }
		if err := get(client, url+"/version", &version); err != nil {
			return err
		}
		if version.Version != revision {
			return fmt.Errorf("%s is version %q, want %q", url, version.Version, revision)
		}
		var list struct{ Scores *[]any }
		if err := get(client, url+"/scores", &list); err != nil {
			return err
		}
		if list.Scores == nil {
			return fmt.Errorf("%s/scores: no list of scores", url)
		}
	}
	return nil
}

func get(client *http.Client, url string, into any) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.200s", url, answer.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}
