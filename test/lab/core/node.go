// SPDX-License-Identifier: Apache-2.0

package core

import (
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// ranNode is an NG-RAN node as TS 23.501 5.21.1 sees it: one NG interface over one TNL association or several, of which each UE is bound to one.
type ranNode struct {
	amf          *amf
	id           string // of the node, the same at all AMFs
	associations []*ran // in the order in which they came
	gpp          bool   // it has UEs on 3GPP access, see access
}

// access is what of NAS and keys depends on the kind of access of a node: N3IWFs and the like have UEs on non-3GPP access, gNBs and ng-eNBs on 3GPP access.
type access struct {
	bearer     uint8 // of NAS security
	key        func(kamf aka.Key, uplinkCount uint32) aka.Key
	result     uint8 // of a registration
	deregister nas.DeregistrationType
}

var (
	non3GPP = access{security.BearerNon3GPP, aka.KN3IWF, nas.ResultNon3GPP, nas.DeregisterNon3GPP}
	gpp     = access{security.Bearer3GPP, aka.KgNB, nas.Result3GPP, nas.Deregister3GPP}
)

func (n *ranNode) access() access {
	if n.gpp {
		return gpp
	}
	return non3GPP
}

// nodeKey tells nodes apart.
func nodeKey(id ngap.GlobalRANNodeID) string {
	b, err := ngap.Encode(&ngap.RANConfigurationUpdate{GlobalRANNodeID: &id})
	if err != nil {
		return ngap.String(&ngap.RANConfigurationUpdate{GlobalRANNodeID: &id}) // it was decoded, so this does not happen
	}
	return string(b)
}

// key tells the nodes of all AMFs apart.
func (a *amf) key(id ngap.GlobalRANNodeID) string { return string(a.name) + "/" + nodeKey(id) }

// retains tells whether the AMF has kept the UEs of a node whose associations are all gone.
func (g *ran) retains(id ngap.GlobalRANNodeID) bool {
	n := g.core.nodes[g.amf.key(id)]
	return g.core.cfg.Retain && n != nil && len(n.associations) == 0
}

// rejoin goes on with the UEs that were kept.
func (g *ran) rejoin(id ngap.GlobalRANNodeID) {
	g.join(id)
	for _, u := range g.core.ues {
		if u.node == g.node {
			u.ran = g
		}
	}
}

// resolve ends the procedures about UEs that were under way when the last association went: request or answer may be lost with it.
func (g *ran) resolve() {
	for _, u := range g.core.ues {
		if u.ran != g {
			continue
		}
		switch u.phase {
		case phaseReleasing:
			u.sendRelease()
		case phaseContext:
			u.release(ngap.CauseNasUnspecified.Cause())
		case phaseConnected:
			u.resolveSessions()
		}
	}
}

// resolveSessions releases what may or may not be there.
func (u *ueContext) resolveSessions() {
	if u.reg == nil || u.reg.ue != u {
		return
	}
	for _, s := range u.reg.sessions {
		switch {
		case s.keep: // by the UE's session at another access
			u.releaseResources(s, nil)
		case s.releasing, s.settingUp:
			s.releasing = false
			u.releaseSession(s.id, 0, nas.SMCauseRegularDeactivation)
		}
	}
}

// begin erases what is known of the UEs of a node, as NG Setup does (TS 38.413 8.7.1.1). Its other associations stay.
func (g *ran) begin(id ngap.GlobalRANNodeID) {
	key := g.amf.key(id)
	for _, n := range []*ranNode{g.node, g.core.nodes[key]} {
		if n != nil {
			g.core.forget(n)
		}
	}
	if n := g.core.nodes[key]; n != nil && n == g.node {
		return
	}
	g.leave()
	n := g.core.nodes[key]
	if n == nil {
		n = &ranNode{amf: g.amf, id: nodeKey(id), gpp: id.GlobalGNBID != nil || id.GlobalNgENBID != nil}
		g.core.nodes[key] = n
	}
	n.associations = append(n.associations, g)
	g.node, g.key = n, key
}

// join adds the association to the node that the update names (TS 38.413 8.7.2.2). It tells false when there is no such node.
func (g *ran) join(id ngap.GlobalRANNodeID) bool {
	key := g.amf.key(id)
	n := g.core.nodes[key]
	if n == nil || g.node != nil && g.node != n {
		return false
	}
	if g.node == nil {
		g.node, g.key = n, key
		n.associations = append(n.associations, g)
		g.log.Info("further TNL association of the node", slog.Int("associations", len(n.associations)))
	}
	return true
}

// leave takes an association that has ended from its node. UEs that were bound to it are served through another one (TS 23.501 5.21.1.2); with the
// last one they are gone.
func (g *ran) leave() {
	n := g.node
	if n == nil {
		return
	}
	g.node = nil
	n.associations = slices.DeleteFunc(n.associations, func(other *ran) bool { return other == g })
	if len(n.associations) == 0 {
		if g.core.cfg.Retain {
			return
		}
		g.core.forget(n)
		if g.core.nodes[g.key] == n {
			delete(g.core.nodes, g.key)
		}
		return
	}
	for _, u := range g.core.ues {
		if u.ran == g {
			u.log.Info("UE is bound to another TNL association")
			u.ran = n.associations[0]
		}
	}
}

// forget drops the contexts of a node that is gone or starts anew. The UEs stay registered.
func (c *Core) forget(n *ranNode) {
	for _, u := range c.ues {
		if u.node == n {
			u.gone()
		}
	}
}

// of tells whether the UE is one of the association's node, and binds it to this association: the node's latest message says where it
// wants to hear of the UE.
func (u *ueContext) of(g *ran) bool {
	if g.node == nil || u.node.id != g.node.id {
		return false
	}
	if u.node != g.node {
		u.log.Info("UE comes to another AMF", slog.String("from", string(u.node.amf.name)), slog.String("to", string(g.amf.name)))
		u.node = g.node
	}
	if u.ran != g {
		u.log.Info("UE comes on another TNL association", slog.String("from", u.ran.association.RemoteAddr().String()), slog.String("to", g.association.RemoteAddr().String()))
		u.ran = g
	}
	return true
}
