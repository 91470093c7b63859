package httpapi

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// answers counts what was answered, by the first digit of the status code.
type answers struct{ byClass [6]atomic.Int64 }

type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (a *answers) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		if class := seen.code / 100; class < len(a.byClass) {
			a.byClass[class].Add(1)
		}
	})
}

// metrics answers in Prometheus' text format.
func (a *answers) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintln(w, "# HELP http_requests_total Requests answered, by class of status.")
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for class := 1; class < len(a.byClass); class++ {
		fmt.Fprintf(w, "http_requests_total{code=\"%dxx\"} %d\n", class, a.byClass[class].Load())
	}
}
