// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/config"
)

// The listeners, as Addr names them; the key of each is management.NAME.
const (
	onSocket  = "socket"
	onListen  = "listen"
	onObserve = "observe"
)

// listener is where clients come in. A reload that gives it another address makes another one.
type listener struct {
	net.Listener
	name, at string // at is the value of the key
	server   *http.Server
	end      context.CancelFunc // of all requests: streams end then; nil before serve
	done     chan struct{}      // closed when serve has ended
}

// addresses are the values of the keys.
func addresses(m *config.Management) map[string]string {
	return map[string]string{onSocket: m.Socket, onListen: m.Listen, onObserve: m.Observe}
}

// listen opens what m asks for and have does not serve. It gives an error for each that cannot be opened, and none stays open then.
func (s *Server) listen(m *config.Management, have []*listener) (opened []*listener, err error) {
	wanted := addresses(m)
	going := slices.DeleteFunc(slices.Clone(have), func(l *listener) bool { return wanted[l.name] == l.at })
	for name, at := range wanted {
		if at == "" || slices.ContainsFunc(have, func(l *listener) bool { return l.name == name && l.at == at }) {
			continue
		}
		l, e := s.listenOne(name, at, going)
		switch {
		case e == nil:
			opened = append(opened, l)
		case at == config.DefaultSocket:
			s.log.Warn("no management API: the n3iwf commands cannot reach this process; set management.socket to a path that it may use", slog.Any("error", e))
		default:
			err = errors.Join(err, &config.KeyError{Key: "management." + name, What: e.Error(), Err: e})
		}
	}
	if err != nil {
		closeAll(opened)
		return nil, err
	}
	return opened, nil
}

func (s *Server) listenOne(name, at string, going []*listener) (*listener, error) {
	var inner net.Listener
	var handler http.Handler
	var err error
	switch name {
	case onSocket:
		inner, err = listenSocket(at)
		handler = s.apiHandler(false)
	case onListen:
		if inner, err = listenTCP(at, going); err == nil {
			inner = &door{inner, s.access.Load}
		}
		handler = s.apiHandler(true)
	default:
		inner, err = listenTCP(at, going)
		e := s.engine()
		s.observe(e)
		handler = e
	}
	if err != nil {
		return nil, err
	}
	return &listener{Listener: inner, name: name, at: at, done: make(chan struct{}), server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), ConnContext: remember,
	}}, nil
}

// listenSocket makes a unix socket that only this user can use. A socket that nobody serves any more is replaced.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is no socket; remove it or choose another path", path)
		}
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s is served by another process; give each N3IWF its own management.socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

// listenTCP listens at an address, also where one of ours does that is about to end, such as 127.0.0.1 after all addresses with the same port: both
// share the port for so long, as the former one serves until nothing can go wrong any more.
func listenTCP(at string, going []*listener) (net.Listener, error) {
	l, err := net.Listen("tcp", at)
	if !errors.Is(err, unix.EADDRINUSE) {
		return l, err
	}
	_, port, _ := net.SplitHostPort(at) // Listen has read it
	shared := false
	for _, l := range going {
		if a, ok := l.Addr().(*net.TCPAddr); ok && fmt.Sprint(a.Port) == port {
			shared = l.control(share) == nil || shared
		}
	}
	if !shared {
		return nil, err
	}
	return (&net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return controlOf(c, share) }}).Listen(context.Background(), "tcp", at)
}

func closeAll(list []*listener) {
	for _, l := range list {
		_ = l.Close()
	}
}

// start serves a listener until it ends, or ctx.
func (s *Server) start(ctx context.Context, l *listener) {
	requests, end := context.WithCancel(ctx)
	l.end = end
	l.server.BaseContext = func(net.Listener) context.Context { return requests }
	s.log.Info("management", slog.String("what", l.name), slog.String("address", l.Addr().String()))
	s.serving.Go(func() {
		defer close(l.done)
		if err := l.server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("management", slog.String("what", l.name), slog.Any("error", err))
		}
	})
}

// How long requests may take to end when their listener does: by a reload, and at the end of all.
const (
	patience = 10 * time.Second
	farewell = time.Second
)

// stop ends a listener. Its address is free at once; requests come to their end, and streams end as if there were nothing more to say: clients come again
// at the new address.
func (s *Server) stop(l *listener, within time.Duration) {
	_ = l.Close()
	if l.end == nil { // not served yet
		return
	}
	s.serving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		l.end()
		if err := l.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			_ = l.server.Close()
		}
		<-l.done
	})
}
