// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// A UE whose handing on meets a defect stands in the way, by its number; the process goes on with it and with all others.
func TestSuccessionSurvivesDefects(t *testing.T) {
	nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.DiscardHandler)}
	nf.nodes = newNodes(nf)
	o := &owner{nf: nf, byRANID: map[uint32]*ue{}}
	nf.owners = []*owner{o}
	u := &ue{
		nf: nf, owner: o, ranID: 7, state: stateUp, amfID: new(ngap.AMFUENGAPID(1)), ng: &ngConnection{},
		departure: &departure{inPlace: true, quiet: true, nas: true, until: time.Now().Add(time.Hour)},
	} // it has no session
	o.byRANID[u.ranID] = u
	f := &frozen{nf: nf}
	list, busy := f.contexts(nil)
	require.Empty(t, list)
	require.Len(t, busy, 1)
	require.EqualValues(t, 7, busy[0].ue)
	require.Contains(t, busy[0].what, "a defect of the running process")
	require.EqualValues(t, 1, nf.counters.Panics.Load())

	require.ErrorContains(t, nf.handAllOnGuarded(t.Context(), nil), "a defect of the running process") // there is no link
	require.EqualValues(t, 2, nf.counters.Panics.Load())
}

// A process whose place has been taken, and that is about to end, hands nothing on once more.
func TestSuccessionOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := succession.Listen(path)
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // of a test
	came, err := succession.Dial(t.Context(), path)
	require.NoError(t, err)
	defer came.Close() //nolint:errcheck // of a test
	link, err := l.Accept()
	require.NoError(t, err)
	defer link.Close() //nolint:errcheck // of a test

	nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.DiscardHandler)}
	nf.cfg.N3.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	nf.nodes = newNodes(nf)
	nf.old.heir.Store(&succession.Link{})
	require.NoError(t, came.Say(t.Context(), sayHello, successorHello{Version: successionVersion, Shape: nf.shape()}))
	_, err = nf.welcome(t.Context(), link)
	require.ErrorContains(t, err, "has just taken over")
	require.False(t, errors.Is(err, errNobody))
}

// A node of a cluster has other SPIs, TEIDs and inner addresses than an N3IWF alone, and does not go on in its place.
func TestTakeOverOfANode(t *testing.T) {
	cfg := config.Default()
	cfg.Cluster.Enabled = true
	_, err := TakeOver(t.Context(), cfg, slog.New(slog.DiscardHandler), Takeover{Path: filepath.Join(t.TempDir(), "nobody")})
	require.ErrorContains(t, err, "a node of a cluster")
}

// refusing is a listener for which there is no room for a moment.
type refusing struct{ left []error }

func (r *refusing) Accept() (*succession.Link, error) {
	err := r.left[0]
	r.left = r.left[1:]
	return nil, err
}

// A listener that fails is used again, until it is closed.
func TestSuccessionAcceptsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.DiscardHandler), quit: make(chan struct{})}
		begin := time.Now()
		nf.acceptSuccessors(t.Context(), &refusing{[]error{syscall.EMFILE, syscall.EMFILE, &net.OpError{Err: net.ErrClosed}}})
		require.Equal(t, 3*acceptPause, time.Since(begin))
		close(nf.quit)
		nf.acceptSuccessors(t.Context(), &refusing{[]error{syscall.EMFILE}})
	})
}
