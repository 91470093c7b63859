package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnswersAreCountedByClass(t *testing.T) {
	handler := New(Options{State: &State{}})
	ask := func(path string) string {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Body.String()
	}
	ask("/version")
	ask("/health") // 503: still starting
	ask("/nowhere")

	text := ask("/metrics")

	for _, line := range []string{`{code="2xx"} 1`, `{code="4xx"} 1`, `{code="5xx"} 1`} {
		if !strings.Contains(text, "http_requests_total"+line+"\n") {
			t.Errorf("no %s in:\n%s", line, text)
		}
	}
}
