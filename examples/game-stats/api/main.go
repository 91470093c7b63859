// Command api serves the scores of a game over HTTP.
//
//	api                  serve until SIGTERM
//	api token SUBJECT    print a bearer token that is valid for one hour
//	api smoke            ask the pods at SMOKE_URLS whether they are this build and show scores
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/game-stats/api/internal/config"
	"example.com/game-stats/api/internal/httpapi"
	"example.com/game-stats/api/internal/scores"
	"example.com/game-stats/api/internal/server"
	"example.com/game-stats/api/internal/smoke"
	"example.com/game-stats/api/internal/token"
)

const (
	tokenLifetime   = time.Hour
	databaseTimeout = 2 * time.Minute
)

// revision is the commit that was built: -ldflags "-X main.revision=…".
var revision = "unknown"

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log, os.Args[1:]); err != nil {
		log.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger, args []string) error {
	if len(args) == 1 && args[0] == "smoke" {
		return smoke.Check(strings.Fields(os.Getenv("SMOKE_URLS")), revision)
	}
	settings, err := config.Load(os.Getenv)
	if err != nil {
		return err
	}
	if len(args) == 2 && args[0] == "token" {
		fmt.Println(token.Sign(settings.JWTSecret, args[1], time.Now().Add(tokenLifetime)))
		return nil
	}
	if len(args) != 0 {
		return fmt.Errorf("unknown arguments %q: want none, or: token SUBJECT, or: smoke", args)
	}
	return serve(log, settings)
}

func serve(log *slog.Logger, settings config.Settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	store, err := scores.Open(settings.DatabaseURL)
	if err != nil {
		return err
	}
	defer store.Close()
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(settings.Port))
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "revision", revision)

	// The listener opens before the database answers: a probe then reads a reason instead of a refused connection.
	serving, giveUp := context.WithCancel(ctx)
	defer giveUp()
	unprepared := make(chan error, 1)
	state := &httpapi.State{}
	go func() {
		err := scores.Prepare(serving, store, log, databaseTimeout)
		switch {
		case err == nil:
			state.Ready()
			log.Info("serving")
		case serving.Err() == nil: // not told to stop meanwhile
			unprepared <- fmt.Errorf("database: %w", err)
			giveUp()
		}
	}()

	api := httpapi.New(httpapi.Options{
		Store: store, State: state, Secret: settings.JWTSecret, Revision: revision, Log: log,
	})
	if err := server.Serve(serving, listener, api, state.Drain, settings.Drain); err != nil {
		return err
	}
	select {
	case err := <-unprepared:
		return err
	default:
		log.Info("drained")
		return nil
	}
}
