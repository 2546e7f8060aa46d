// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// simulator runs free5GC's UE simulator, as it puts itself on the wire, until it exits.
type simulator struct {
	*ue.N3IWUE
	w     *world
	ready chan struct{}
	ended chan error
}

func (w *world) n3iwue(i int, change func(*ue.N3IWUEOptions)) *simulator {
	w.t.Helper()
	full := w.options(i)
	o := ue.N3IWUEOptions{
		Subscriber: full.Subscriber, Local: full.Local, N3IWF: full.N3IWF, LocalIKE: full.LocalIKE, LocalNATT: full.LocalNATT, IKEPort: full.IKEPort, NATTPort: full.NATTPort,
	}
	o.Subscriber.Ciphering = false
	if change != nil {
		change(&o)
	}
	u, err := ue.NewN3IWUE(o)
	require.NoError(w.t, err)
	s := &simulator{N3IWUE: u, w: w, ready: make(chan struct{}), ended: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	go func() { s.ended <- u.Run(ctx, func() { close(s.ready) }) }()
	w.t.Cleanup(func() {
		cancel()
		select {
		case <-s.ended:
		case <-time.After(deadline):
		}
		_ = u.Close()
	})
	return s
}

// online waits for the PDU session and sends user data on a flow.
func (s *simulator) online(qfi uint8) {
	s.w.t.Helper()
	select {
	case <-s.ready:
	case err := <-s.ended:
		s.ended <- err
		require.NoError(s.w.t, err)
	}
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte("n3iwue")}, 1)
	ctx, cancel := context.WithTimeout(s.w.ctx, deadline)
	defer cancel()
	back, err := s.Exchange(ctx, qfi, pdu)
	require.NoError(s.w.t, err)
	p, ok := udpip.Parse(back)
	require.True(s.w.t, ok && bytes.Equal(p.Payload, []byte("n3iwue")))
}

func (s *simulator) exits(with string) {
	s.w.t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		require.ErrorContains(s.w.t, err, with)
	case <-time.After(deadline):
		require.Fail(s.w.t, "the simulator does not exit")
	}
}

// left waits until core and N3IWF have let go of what a simulator had. Its IKE SA may take longer: it exits at the first Delete, which may be that of a
// child SA, and then answers nothing.
func (w *world) left() {
	w.t.Helper()
	w.until("a core without UE contexts", func() bool {
		return w.connected() == 0 && w.core.UPF().Stats().Sessions == 0 && w.nf.Status().PDUSessions == 0
	})
}

// TestN3IWUE: what free5GC's UE simulator is served with, one habit of it after the other. The lab's simulator ends with an error at what the real one could
// not take: other transforms, host selectors or routes, a second NAS envelope in a segment, GRE keys without device.
func TestN3IWUE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	legacy := func(t *testing.T) *world {
		return newWorld(t, func(c *config.Config) { c.NWu.IKE.Profile = "legacy-lab" })
	}
	t.Run("registers, pings, deregisters", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, nil)
		s.online(1)
		s.online(3)
		s.Deregister()
		s.exits("Delete")
		w.left()
	})
	t.Run("a fresh IKE_SA_INIT on each retry", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.DeafFor = 3 })
		s.online(1)
	})
	t.Run("older AN parameters", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.OldParameters = true })
		s.online(1)
	})
	t.Run("child SA that is installed late", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.InstallAfter = 300 * time.Millisecond })
		s.online(1)
	})
	t.Run("restart with the same SPIs", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, nil)
		s.online(1)
		require.NoError(t, s.Close()) // it crashes
		again := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.LocalIKE, o.LocalNATT = o.LocalIKE+7, o.LocalNATT+7 })
		again.online(1)
		w.until("one UE", func() bool { return w.nf.Status().UEs == 1 && w.connected() == 1 })
	})
	t.Run("two with the same identity and SPIs", func(t *testing.T) {
		w := legacy(t)
		a := w.n3iwue(0, nil)
		b := w.n3iwue(2, func(o *ue.N3IWUEOptions) { // behind one address
			o.Local = w.addr(10)
			o.LocalIKE, o.LocalNATT = o.LocalIKE+9, o.LocalNATT+9
		})
		a.online(1)
		b.online(2)
		require.Equal(t, 2, w.nf.Status().UEs)
	})
	t.Run("release of the session makes it exit", func(t *testing.T) {
		w := legacy(t)
		s := w.n3iwue(0, nil)
		s.online(1)
		require.NoError(t, w.core.ReleaseSession(imsi(0), 1))
		s.exits("Delete")
	})
	t.Run("the default profile does not serve it", func(t *testing.T) {
		w := newWorld(t, nil)
		s := w.n3iwue(0, nil)
		s.exits("no key or nonce")
	})
}

// TestN3IWUESecrets: the simulator strips leading zeros of the shared secret; the N3IWF sees to it that there are none (1 in 256 without).
func TestN3IWUESecrets(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.IKE.Profile = "legacy-lab" })
	for i := range 24 {
		length := 0
		s := w.n3iwue(i%20, func(o *ue.N3IWUEOptions) {
			o.Secret = func(b []byte) { length = len(b) }
		})
		s.online(1)
		require.Equal(t, 256, length)
		s.Deregister()
		s.exits("Delete")
		require.NoError(t, s.Close())
	}
	w.left()
}
