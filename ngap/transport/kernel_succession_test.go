// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelsctp

package transport

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// receiver is the one goroutine that calls Receive of an association; what it does with a message takes a moment.
type receiver struct {
	mu  sync.Mutex
	got []Message
	end chan error
}

func receiveAll(a Association) *receiver {
	r := &receiver{end: make(chan error, 1)}
	go func() {
		for {
			m, err := a.Receive(context.Background())
			if err != nil {
				r.end <- err
				return
			}
			time.Sleep(100 * time.Microsecond)
			r.mu.Lock()
			r.got = append(r.got, m)
			r.mu.Unlock()
		}
	}()
	return r
}

func (r *receiver) messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// An association goes from one object to another, while the peer sends, long messages too: none is lost, none comes twice, none is out of order; and the
// peer notices nothing.
func TestKernelSuccession(t *testing.T) {
	l, err := Listen(Options{Mode: ModeKernel, Local: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:40002")}, Logger: quiet})
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing to lose
	o := Options{Mode: ModeKernel, Remote: l.Addr().AddrPorts(), Logger: quiet}
	first, err := Dial(t.Context(), o)
	require.NoError(t, err)
	peer, err := l.Accept(t.Context())
	require.NoError(t, err)

	sizes := func(i int) int { return 20 + i*7919%(40<<10) }
	const last = "last"
	enough, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		for i := 0; ; i++ {
			message := payload(1, uint32(i), sizes(i))
			select {
			case <-enough:
				message = []byte(last)
			default:
			}
			if err := peer.Send(context.Background(), 1, message); err != nil || string(message) == last {
				return // an error shows below
			}
		}
	}()
	a := first.(Heritable)
	all := 0
	for range 10 {
		r := receiveAll(a)
		require.Eventually(t, func() bool { return len(r.messages()) > 10 }, 20*time.Second, time.Millisecond)
		require.NoError(t, a.Pause(t.Context()))
		got := r.messages()
		file, err := a.File()
		require.NoError(t, err)
		heir, err := Inherit(o, file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, a.LocalAddr(), heir.LocalAddr())
		require.Equal(t, a.Streams(), heir.Streams())
		require.Len(t, r.messages(), len(got), "nothing comes any more")
		for _, m := range got {
			requirePayload(t, m, 1, uint32(all), sizes(all))
			all++
		}
		require.NoError(t, a.Release())
		requireLoss(t, <-r.end, ReasonClosed)
		require.NoError(t, a.Close(), "as its owner does at the end")
		heir.Resume()
		a = heir
	}
	close(enough)
	for ; ; all++ {
		m := receive(t, a)
		if string(m.Data) == last {
			break
		}
		requirePayload(t, m, 1, uint32(all), sizes(all))
	}
	<-sent
	send(t, a, 2, payload(2, 7, 5000))
	requirePayload(t, receive(t, peer), 2, 7, 5000)

	// One that does not begin has changed nothing; a busy receiver is not waited for without end.
	r := receiveAll(a)
	require.NoError(t, a.Pause(t.Context()))
	file, err := a.File()
	require.NoError(t, err)
	heir, err := Inherit(o, file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	send(t, peer, 1, payload(1, 1, 100))
	require.NoError(t, heir.Release())
	require.Empty(t, r.messages())
	a.Resume()
	require.Eventually(t, func() bool { return len(r.messages()) == 1 }, 20*time.Second, time.Millisecond)
	require.NoError(t, a.Close())
	<-r.end
	requireLoss(t, receiveError(t, peer), ReasonPeerShutdown)

	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close() //nolint:errcheck // of a test
	_, err = Inherit(o, null)
	require.Error(t, err)
}
