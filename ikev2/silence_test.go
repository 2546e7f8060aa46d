// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Keepalives leave from where the UE is now, and end where there is no NAT.
func TestKeepaliveFollowsThePath(t *testing.T) {
	w := newWorld(t, 180)
	g := pskOptions(w.rng, "gw")
	g.HonestNAT = true
	w.translate = nat(ueAddr, ueAddr2, 20000) // the address ueAddr6 is in front of it
	sent := map[Path]int{}
	w.sniff = func(_ bool, d Datagram) {
		if d.Keepalive {
			sent[d.Path]++
		}
	}
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	behind := ue.s.Path()
	w.run(time.Minute, nil)
	require.Equal(t, map[Path]int{behind: 3}, sent)
	ue.take(ue.s.Move(w.now, uePath(ueAddr6, 4500)))
	w.run(time.Second, nil)
	require.False(t, ue.s.NAT().BehindNAT)
	w.run(5*time.Minute, nil)
	require.Equal(t, map[Path]int{behind: 3}, sent, "no NAT, no keepalives")
	ue.take(ue.s.Move(w.now, behind))
	w.run(time.Minute+time.Second, nil)
	require.Equal(t, map[Path]int{behind: 6}, sent)
	// Whatever is sent is as good as a keepalive.
	for range 12 {
		ue.take(ue.s.Probe(w.now))
		w.run(10*time.Second, nil)
	}
	require.Equal(t, map[Path]int{behind: 6}, sent)
	require.True(t, gw.s.Established())
}

// Silence is measured anew after each sign of life, IKE or the ESP that the owner reports; a probe goes where the peer
// is now, and one at a time.
func TestLivenessOfThePresentPath(t *testing.T) {
	w := newWorld(t, 181)
	g := pskOptions(w.rng, "gw")
	g.Liveness = 30 * time.Second
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	var probes []Path
	w.sniff = func(fromUE bool, d Datagram) {
		if !fromUE {
			probes = append(probes, d.Path)
		}
	}
	for range 12 {
		gw.s.Traffic(w.now)
		w.run(10*time.Second, nil)
	}
	require.Empty(t, probes, "ESP came all the time")
	w.run(25*time.Second, nil)
	require.Len(t, probes, 1)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	probes = nil
	w.run(time.Minute, nil)
	require.Equal(t, []Path{reverse(uePath(ueAddr2, 4500)), reverse(uePath(ueAddr2, 4500))}, probes)
	// While the peer is silent the one probe is repeated, not multiplied.
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	w.run(2*time.Minute, nil)
	require.Len(t, gw.s.sa.outstanding, 1)
	require.Empty(t, gw.s.sa.queue)
}

// TestForgedMessagesAreNoSignOfLife: what is not protected by the IKE SA's keys does not put off the question whether the peer lives (RFC 7296 2.4).
func TestForgedMessagesAreNoSignOfLife(t *testing.T) {
	w := newWorld(t, 183)
	g := pskOptions(w.rng, "gw")
	g.Liveness = 30 * time.Second
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	var genuine []byte
	probes := 0
	w.sniff = func(fromUE bool, d Datagram) {
		switch {
		case fromUE:
			genuine = bytes.Clone(d.Data)
		default:
			probes++
		}
	}
	heard := gw.s.LastHeard()
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	w.run(heard.Add(29*time.Second).Sub(w.now), nil)
	ue.take(ue.s.Probe(w.now)) // which the other side has not got
	require.NotEmpty(t, genuine)
	require.Zero(t, probes)
	for i := range genuine {
		forged := bytes.Clone(genuine)
		forged[i] ^= 4
		gw.take(gw.s.Receive(w.now, w.path, forged))
	}
	require.Equal(t, heard, gw.s.LastHeard())
	w.run(2*time.Second, nil)
	require.Equal(t, 1, probes)
	gw.take(gw.s.Receive(w.now, reverse(uePath(ueAddr, 4500)), genuine))
	require.Equal(t, w.now, gw.s.LastHeard())
}

// A move costs two messages, four with the check of the new path, and no public-key work; a connection costs four
// messages and two key exchanges at the least, and more with EAP.
func TestMoveIsCheaperThanConnecting(t *testing.T) {
	for policy, want := range map[Routability]int{RoutabilityOff: 2, RoutabilityBefore: 4, RoutabilityAfter: 4} {
		t.Run(fmt.Sprint("policy ", policy), func(t *testing.T) {
			w := newWorld(t, 182)
			g := pskOptions(w.rng, "gw")
			g.Routability = policy
			messages := 0
			w.sniff = func(bool, Datagram) { messages++ }
			ue, gw := w.up(pskOptions(w.rng, "ue"), g)
			connecting := messages
			require.GreaterOrEqual(t, connecting, 4)
			messages = 0
			out := ue.s.Move(w.now, uePath(ueAddr2, 4500))
			require.Empty(t, out.Work)
			ue.take(out)
			w.run(time.Minute, nil)
			require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
			require.Equal(t, want, messages)
			require.Zero(t, gw.s.working+ue.s.working)
		})
	}
}
