// Package server runs an HTTP server that stops without failing a request.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// shutdownTimeout and the longest useful drain stay below Kubernetes' usual grace period of 30 seconds.
const shutdownTimeout = 20 * time.Second

// Serve answers requests until ctx ends, calls onDrain, and stops when the requests under way have ended.
//
// It keeps accepting requests for the time of the drain: for some seconds after a pod is told to stop, proxies and
// kube-proxies still send it new ones.
func Serve(
	ctx context.Context, listener net.Listener, handler http.Handler, onDrain func(), drain time.Duration,
) error {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	onDrain()
	select {
	case err := <-failed:
		return fmt.Errorf("serve while draining: %w", err)
	case <-time.After(drain):
	}
	// Not derived from ctx, which has ended.
	end, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		return fmt.Errorf("requests still open after %s: %w", shutdownTimeout, err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
