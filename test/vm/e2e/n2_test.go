// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

func (w *world) watch(_ string, pdu *ngap.PDU) {
	if _, ok := pdu.Message.(*ngap.NGSetupRequest); ok {
		w.setups <- struct{}{}
	}
}

// linksN2 takes the core's ends of links up or down. Those of the N3IWF see no packet then, and nothing else.
func (w *world) linksN2(state string, links ...string) {
	for _, l := range links {
		w.cn.ip(w.t, "link set "+l+" "+state)
	}
}

// pathsActive waits until the kernels of both ends take all paths of the only association for good. One end may take a path for dead still that the other
// has heard of already: if the other path goes then, it holds on to that one, and loses the association.
func (w *world) pathsActive(want int) {
	w.t.Helper()
	const active = "2" // SCTP_ACTIVE
	for _, end := range []*host{w.gw, w.cn} {
		w.until("good paths", func() bool {
			var text []byte
			var err error
			end.do(func() { text, err = os.ReadFile("/proc/thread-self/net/sctp/remaddr") })
			require.NoError(w.t, err)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			state := slices.Index(strings.Fields(lines[0]), "STATE")
			good := 0
			for _, l := range lines[1:] {
				if f := strings.Fields(l); len(f) > state && f[state] == active {
					good++
				}
			}
			return good == want
		})
	}
}

// An N3IWF and an AMF that are joined by two links, with the kernel's SCTP. One link dies, then the other: the association stays, UEs and their NAS go on.
// Both die: the UEs are held, their user packets flow, and the AMF takes them back when it can be reached again. The AMF loses power and starts anew: it
// gets NG Setup from the N3IWF by itself, UEs that it does not know any more go, new ones come.
func TestKernelN2(t *testing.T) {
	w := newWorld(t, 1)
	w.startCore()
	heard := listen(t, w.cn, "n2a", "n2b")
	n := w.startN3IWF(0)
	<-w.setups
	u, p := w.online(0, 0)
	w.pathsActive(2)
	before := w.core.State().UEs
	finish := w.traffic(p)

	for _, link := range []string{"n2a", "n2b"} {
		w.linksN2("down", link)
		w.nasWorks(u)
		w.linksN2("up", link)
		w.pathsActive(2) // before the other one may go
		w.nasWorks(u)
	}
	require.Empty(t, w.setups, "there was no second NG Setup")
	w.until("the same contexts at the core", func() bool { return reflect.DeepEqual(before, w.core.State().UEs) })
	require.Zero(t, n.text.count("NG connection lost"))

	w.linksN2("down", "n2a", "n2b")
	lost := time.Now()
	w.until("the N3IWF knows", func() bool { return n.text.has("NG connection lost; its UEs are held") })
	t.Logf("the association was lost after %.1f s", time.Since(lost).Seconds())
	w.until("the core knows", func() bool { return w.core.Associations(amfName) == 0 })
	w.linksN2("up", "n2a", "n2b")
	<-w.setups
	w.until("the UE at the AMF", func() bool { return n.text.has("UE goes on with an AMF", "held=true") })
	w.nasWorks(u)
	sent, missing := finish()
	require.Zero(t, missing, "user packets, of %d", sent)
	after := w.core.State().UEs
	require.Len(t, after, 1)
	require.Equal(t, before[0].AMFID, after[0].AMFID)
	require.Equal(t, before[0].RANID, after[0].RANID)

	heard.usesStreams(t)

	// What the AMF says as it goes is not heard.
	w.pathsActive(2)
	w.linksN2("down", "n2a", "n2b")
	w.core.Drop(amfName, at(netN2a, coreSite))
	require.NoError(t, w.core.Close())
	w.startCore()
	w.linksN2("up", "n2a", "n2b")
	<-w.setups
	w.until("the UE is sent away", func() bool { return n.text.has("the AMF has begun anew; the UE must register again") })
	w.until("a core without UEs", func() bool { return len(w.core.State().UEs) == 0 })
	v, _ := w.online(1, 0)
	w.nasWorks(v)
	require.NoError(t, w.within(v.Deregister))
	require.Equal(t, 2, n.text.count("NG connection lost"))
	require.Empty(t, w.setups)
}

// usesStreams checks all that was said in NGAP, by the octets on the wire: what concerns a UE is not on stream 0, all else is, and each message is marked as NGAP.
func (s *wire) usesStreams(t *testing.T) {
	t.Helper()
	type end struct{ name, kind string }
	seen := map[end]int{}
	for _, d := range s.userData() {
		require.EqualValues(t, transport.PPID, d.ppid)
		pdu, err := ngap.Decode(d.message)
		require.NoError(t, err)
		e := end{"N3IWF", "node"}
		if d.source == at(netN2a, coreSite) || d.source == at(netN2b, coreSite) {
			e.name = "AMF"
		}
		if _, id := ngap.UEIDs(pdu.Message); id != nil {
			e.kind = "UE"
			require.NotZero(t, d.stream, "%s: %s", e.name, pdu.Name())
		} else {
			require.Zero(t, d.stream, "%s: %s", e.name, pdu.Name())
		}
		seen[e]++
	}
	t.Logf("NGAP messages: %v", seen)
	for _, e := range []end{{"N3IWF", "node"}, {"N3IWF", "UE"}, {"AMF", "node"}, {"AMF", "UE"}} {
		require.NotZero(t, seen[e], "%v", e)
	}
}
