// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/elliptic"
	"crypto/rand"
	"runtime"
	"testing"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func benchWorld(b *testing.B) (w *world, o, g Options) {
	w = newWorld(b, 1)
	o, g = pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	ike := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.CURVE25519}
	o.IKE = []message.Proposal{ike.Proposal(1, nil)}
	o.Rand, g.Rand = rand.Reader, rand.Reader
	return w, o, g
}

// BenchmarkHandshake is both ends of a session with EAP in two rounds.
func BenchmarkHandshake(b *testing.B) {
	w, o, g := benchWorld(b)
	msk := make([]byte, 32)
	g.EAP, g.Verify = true, nil
	g.Prove = newCA(b).issue(b, ecKey(b, elliptic.P256()), "gw")
	o.EAP, o.Prove, o.Verify = true, nil, nil
	b.ReportAllocs()
	for b.Loop() {
		w.serve(g, eapOwner(2, msk, true))
		ue := w.dial(o, wantChild(), eapPeer(msk))
		w.run(time.Minute, func() bool { return ue.s.Established() })
		if !ue.s.Established() {
			b.Fatal(ue.events)
		}
	}
}

// BenchmarkMove is the responder's half of a move: the update and the answer to its routability check.
func BenchmarkMove(b *testing.B) {
	w, o, g := benchWorld(b)
	ue, gw := w.up(o, g)
	paths := [2]Path{uePath(ueAddr, 4500), uePath(ueAddr2, 4500)}
	b.ReportAllocs()
	var spent time.Duration
	i := 0
	for b.Loop() {
		i++
		p := paths[i&1]
		p.Local = ap(p.Local.Addr(), uint16(5000+i%60000)) // never proven before
		out := ue.s.Move(w.now, p)
		for len(out.Datagrams) > 0 {
			var answers []Datagram
			start := time.Now()
			for _, d := range out.Datagrams {
				r := gw.s.Receive(w.now, reverse(d.Path), d.Data)
				answers = append(answers, r.Datagrams...)
			}
			spent += time.Since(start)
			out = Output{}
			for _, d := range answers {
				r := ue.s.Receive(w.now, reverse(d.Path), d.Data)
				out.Datagrams = append(out.Datagrams, r.Datagrams...)
			}
		}
		if gw.s.ChildPath() != reverse(p) {
			b.Fatal("not moved")
		}
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(i), "ns-responder/op")
}

// BenchmarkSessionMemory is the heap of a responder's established session.
func BenchmarkSessionMemory(b *testing.B) {
	w, o, g := benchWorld(b)
	var keep []*Session
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		w.serve(g, authorizeAll)
		ue := w.dial(o, wantChild(), nil)
		w.run(time.Minute, func() bool { return ue.s.Established() })
		keep = append(keep, w.gw.last().s)
		w.gw, w.ue, w.wire = nil, nil, nil
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(keep)), "B/session")
	runtime.KeepAlive(keep)
}
