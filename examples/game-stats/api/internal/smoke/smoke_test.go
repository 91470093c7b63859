package smoke

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func pod(t *testing.T, version, scores string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := scores
		if r.URL.Path == "/version" {
			body = `{"version":"` + version + `"}`
		}
		if body == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCheck(t *testing.T) {
	good := pod(t, "ab12", `{"scores":[]}`)
	for name, test := range map[string]struct {
		urls []string
		want string
	}{
		"all are well":      {[]string{good, good}, ""},
		"no pod":            {nil, "SMOKE_URLS"},
		"an old pod":        {[]string{good, pod(t, "old", `{"scores":[]}`)}, `is version "old", want "ab12"`},
		"no database":       {[]string{pod(t, "ab12", "")}, "/scores: status 503"},
		"another answer":    {[]string{pod(t, "ab12", `{}`)}, "no list of scores"},
		"no JSON":           {[]string{pod(t, "ab12", "<html>")}, "/scores: invalid character"},
		"nobody at the end": {[]string{"http://127.0.0.1:1"}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(test.urls, "ab12")
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
