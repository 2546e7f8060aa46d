// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"net/netip"
	"sync"
)

// userListener accepts associations on a user-space endpoint.
type userListener struct {
	ep   *endpoint
	once sync.Once
	done chan struct{}
}

func (l *userListener) Mode() Mode { return l.ep.mode }

func (l *userListener) Addr() Addr {
	w := l.ep.wire.LocalAddr()
	return Addr{IPs: []netip.Addr{w.Addr()}, Port: l.ep.port, UDPPort: w.Port()}
}

func (l *userListener) Accept(ctx context.Context) (Association, error) {
	l.ep.mu.Lock()
	queue := l.ep.accept
	l.ep.mu.Unlock()
	if queue == nil {
		return nil, ErrListenerClosed
	}
	select {
	case a := <-queue:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, ErrListenerClosed
	}
}

// Close ends the listening. Associations that nobody has accepted are aborted.
func (l *userListener) Close() error {
	l.once.Do(l.stop)
	return nil
}

func (l *userListener) stop() {
	l.ep.mu.Lock()
	queue := l.ep.accept
	l.ep.accept = nil
	l.ep.mu.Unlock()
	close(l.done)
	if queue == nil {
		return
	}
	for {
		select {
		case a := <-queue:
			a.Abort("listener is closed") //nolint:errcheck // always nil
		default:
			l.ep.release()
			return
		}
	}
}
