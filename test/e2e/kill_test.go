// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestKilledNode kills node A, a process of its own, without a word. The UE notices, comes back by itself at node B with its PDU session, and its new
// context takes the place of the old one at the core. A comes back too, joins the N3IWF that goes on, and serves again.
func TestKilledNode(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	text := func(node int, nwu, n3 netip.Addr, peer netip.Addr) string {
		s := strings.NewReplacer(
			fmt.Sprintf("addresses: [%q, \"::1\"]", w.addr(hostN3IWF)), fmt.Sprintf("addresses: [%q]", nwu),
			fmt.Sprintf("localAddresses: [%q]", w.addr(hostN3)), fmt.Sprintf("localAddresses: [%q]", n3),
			fmt.Sprintf("n3:\n  addresses: [%q]", w.addr(hostN3)), fmt.Sprintf("n3:\n  addresses: [%q]", n3),
		).Replace(w.yaml)
		return s + fmt.Sprintf("cluster: {enabled: true, node: %d, address: %s, port: %d, peers: [{node: %d, address: %s, port: %d}], key: %q, grace: 1s}\n",
			node, nwu, w.ikePort()+3, 1-node, peer, w.ikePort()+3, strings.Repeat("07", 32))
	}
	fileA := filepath.Join(filepath.Dir(w.file), "a.yaml")
	require.NoError(t, os.WriteFile(fileA, []byte(text(0, w.addr(hostN3IWF), w.addr(hostN3), w.addr(hostOtherNWu))), 0o600))
	cfg, err := config.Parse(w.file, []byte(text(1, w.addr(hostOtherNWu), w.addr(hostOtherN3), w.addr(hostN3IWF))))
	require.NoError(t, err)
	w.startCore()
	startA := func(text *lockedBuffer) *exec.Cmd {
		a := exec.Command(filepath.Join(bin, "n3iwf"), "run", "-c", fileA)
		a.Stdout, a.Stderr = text, text
		require.NoError(t, a.Start())
		t.Cleanup(func() { _ = a.Process.Kill(); _ = a.Wait() }) // it is dead already, most times
		return a
	}
	a := startA(w.text)
	w.logged("core", "NG Setup", "node=n3iwf")
	w.cfg = cfg
	w.startN3IWF()
	w.until("B at the core", func() bool { return w.nf.Status().AMFs == 1 && len(w.nf.Status().Nodes) == 1 })

	u := w.ue(0, func(o *ue.Options) {
		o.Return, o.Gateways = true, []netip.Addr{w.addr(hostOtherNWu), w.addr(hostN3IWF)}
		o.Liveness, o.GiveUp = 300*time.Millisecond, time.Second
	})
	w.register(u)
	w.session(u)
	require.Zero(t, w.nf.Status().UEs, "it is at A")
	old := w.core.State().UEs[0]
	require.NoError(t, a.Process.Kill())
	_ = a.Wait() // killed
	w.until("the UE at B with its PDU session", func() bool {
		return u.Returned() == 1 && w.nf.Status().UEs == 1 && w.nf.Status().PDUSessions == 1 && len(u.State().Sessions) == 1
	})
	_, err = probe.New(u, u.Session(1), dn).Ping(w.ctx, 2)
	require.NoError(t, err)
	w.until("one context at the core, the new one", func() bool {
		s := w.core.State()
		return len(s.UEs) == 1 && len(s.Idle) == 0 && s.UEs[0].AMFID != old.AMFID && len(s.UEs[0].Sessions) == 1 && w.core.UPF().Stats().Sessions == 1
	})
	require.Equal(t, 1, w.nf.Status().ChildSAs-w.nf.Status().PDUSessions, "one signalling SA")

	again := &lockedBuffer{}
	startA(again)
	w.until("A again, as a further association", func() bool {
		return len(w.nf.Status().Nodes) == 1 && w.text.has("core", "further TNL association", w.addr(hostN3).String()) && again.has("NG connection is up")
	})
	require.Equal(t, 1, w.nf.Status().UEs, "A's NG Setup would have erased it")
	v := w.ue(1)
	w.register(v)
	w.until("two contexts at the core", func() bool { return w.connected() == 2 })
}
