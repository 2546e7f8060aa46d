// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// Status is what the network function holds at one moment. Each owner is asked in turn, so the numbers of different UEs may be a little apart.
type Status struct {
	AMFs           int // NG connections that are up
	UEs            int // contexts, those included that are authenticating or being released
	Cookies        ikev2.Cookies
	HalfOpen       int // of them, those that have not authenticated yet
	Lingering      int // closed IKE sessions that still answer retransmissions
	ChildSAs       int
	PDUSessions    int
	InnerAddresses int   // given to UEs
	Nodes          []int // of the cluster, those with a link
	ESP            ipsec.Totals
	NAS            nas.Stats
	N3             relay.Stats
	UserPlane      UserPlaneStatus
	DataPlane      error // why user packets cannot go through; nil when nothing is known
}

// Counters are the counts since the start; read them only.
func (nf *N3IWF) Counters() *Counters { return &nf.counters }

// Status takes the picture. It is zero in part when the network function ends meanwhile.
func (nf *N3IWF) Status() Status {
	s := Status{ESP: nf.dataPlane.Totals(), NAS: nf.nas.Stats(), N3: nf.relay.Stats(), UserPlane: nf.userPlane.status()}
	s.DataPlane = nf.working()
	s.Nodes = nf.nodes.list()
	for _, a := range nf.amfs.get() {
		if a.ng.Load() != nil {
			s.AMFs++
		}
	}
	for _, o := range nf.owners {
		k := o.responder.Cookies()
		s.Cookies.Sent += k.Sent
		s.Cookies.Verified += k.Verified
		s.Cookies.Wrong += k.Wrong
		parts := make(chan Status, 1)
		if !o.mail.post(func() { parts <- o.status() }) {
			return s
		}
		select {
		case part := <-parts:
			s.UEs += part.UEs
			s.HalfOpen += part.HalfOpen
			s.Lingering += part.Lingering
			s.ChildSAs += part.ChildSAs
			s.PDUSessions += part.PDUSessions
			s.InnerAddresses += part.InnerAddresses
		case <-o.done:
			return s
		}
	}
	return s
}

func (o *owner) status() Status {
	s := Status{UEs: len(o.byRANID), Lingering: len(o.lingering)}
	for _, u := range o.byRANID {
		if u.state < stateUp {
			s.HalfOpen++
		}
		s.ChildSAs += len(u.children)
		s.PDUSessions += len(u.sessions)
		for _, a := range u.inner {
			if a.IsValid() {
				s.InnerAddresses++
			}
		}
	}
	return s
}
