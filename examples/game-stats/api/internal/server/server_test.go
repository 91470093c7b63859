package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func get(url string) (string, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func TestNoRequestFailsWhileStopping(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	entered, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		io.WriteString(w, "slow")
	})
	mux.HandleFunc("/new", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "new") })

	ctx, stop := context.WithCancel(t.Context())
	draining, done, slow := make(chan struct{}), make(chan error, 1), make(chan string, 1)
	go func() {
		done <- Serve(ctx, listener, mux, func() { close(draining) }, 300*time.Millisecond)
	}()
	go func() {
		body, err := get(url + "/slow")
		slow <- body
		if err != nil {
			t.Errorf("request under way: %v", err)
		}
	}()
	<-entered
	stop()
	<-draining
	if body, err := get(url + "/new"); err != nil || body != "new" {
		t.Errorf("new request while draining: %q, %v", body, err)
	}
	// The drain is over by now or soon; the request under way still has its answer to get.
	time.Sleep(400 * time.Millisecond)
	close(release)
	if body := <-slow; body != "slow" {
		t.Errorf("request under way got %q", body)
	}
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if _, err := get(url + "/new"); err == nil {
		t.Error("still serving after the stop")
	}
}

func TestADeadListenerIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := Serve(t.Context(), listener, http.NotFoundHandler(), func() {}, 0); err == nil {
		t.Error("want an error")
	}
}
