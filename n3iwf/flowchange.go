// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// newQoSFlow is a QoS flow as a request describes it.
func newQoSFlow(id ngap.QosFlowIdentifier, q *ngap.QosFlowLevelQosParameters) qosFlow {
	return qosFlow{qfi: uint8(id), reflective: q.ReflectiveQosAttribute != nil}
}

// changeFlows adds or replaces the flows of set in an active PDU session and takes those of remove away, at the UE and at the relay. It calls done
// once, with the QFIs of set that have got no resources; not when the UE is gone. Flows that no child SA names are carried by the default one
// (TS 24.502 7.5.2), so a new one needs no exchange.
func (u *ue) changeFlows(s *pduSession, set []qosFlow, remove []uint8, done func(failed []uint8)) {
	for _, f := range set {
		if i := slices.IndexFunc(s.flows, func(old qosFlow) bool { return old.qfi == f.qfi }); i >= 0 {
			s.flows[i] = f
		} else {
			s.flows = append(s.flows, f)
		}
	}
	gone := func(qfi uint8) bool { return slices.Contains(remove, qfi) }
	s.flows = slices.DeleteFunc(s.flows, func(f qosFlow) bool { return gone(f.qfi) })
	var idle []*childSA
	for _, c := range s.children {
		c.qfis = slices.DeleteFunc(slices.Clone(c.qfis), gone)
		if !c.dflt && len(c.qfis) == 0 {
			idle = append(idle, c)
		}
	}
	if err := s.relay.Update(s.relayConfig()); err != nil {
		u.log.Error("N3 relay", slog.Any("error", err))
	}
	u.dropChildren(idle...)
	done(nil)
}
