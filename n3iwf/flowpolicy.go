// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"slices"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// Which QoS flows share a child SA is the N3IWF's own affair (TS 23.502 4.12.5 step 4a): nwu.userPlane.childSAs says it. Flows of different DSCP are
// kept apart always, because both ends mark all packets of a child SA alike.

// qosFlow is a QoS flow of a PDU session as the N3IWF needs it.
type qosFlow struct {
	qfi        uint8
	fiveQI     uint8 // 0 when the AMF gave none (dynamic 5QI)
	reflective bool
	gbr        *flowRates // nil: not GBR
}

// flowRates are the maximum bit rates of a GBR flow in bit/s. The limits live as long as the flow has them.
type flowRates struct {
	downlink, uplink uint64
	limits           relay.Rates
}

// newQoSFlow takes a flow from a set-up or modify list. The caller has asked flowFault.
func newQoSFlow(qfi ngap.QosFlowIdentifier, q *ngap.QosFlowLevelQosParameters) qosFlow {
	f := qosFlow{qfi: uint8(qfi), reflective: q.ReflectiveQosAttribute != nil}
	switch c := q.QosCharacteristics; {
	case c.NonDynamic5QI != nil:
		f.fiveQI = uint8(c.NonDynamic5QI.FiveQI)
	case c.Dynamic5QI != nil && c.Dynamic5QI.FiveQI != nil:
		f.fiveQI = uint8(*c.Dynamic5QI.FiveQI)
	}
	if g := q.GBRQosInformation; g != nil {
		f.gbr = newFlowRates(uint64(g.MaximumFlowBitRateDL), uint64(g.MaximumFlowBitRateUL))
	}
	return f
}

func newFlowRates(downlink, uplink uint64) *flowRates {
	return &flowRates{downlink, uplink, relay.Rates{Uplink: relay.NewLimit(uplink), Downlink: relay.NewLimit(downlink)}}
}

// flowKey says which flows share a child SA: those with equal keys. It is what the policy and the marking make of a flow.
type flowKey struct {
	qfi  uint8 // perFlow: of the flow, plus one; 0 otherwise
	gbr  bool  // gbrApart
	dscp int16 // -1: not marked
}

func flowKeyOf(c *config.UserPlane, f qosFlow) flowKey {
	k := flowKey{dscp: -1}
	switch c.ChildSAs {
	case "perFlow":
		k.qfi = f.qfi + 1
	case "gbrApart":
		k.gbr = f.gbr != nil
	}
	if i := ruleFor(c.DSCP, f); i >= 0 {
		k.dscp = int16(c.DSCP[i].DSCP)
	}
	return k
}

// marking is the DSCP of packets, 0 for those that are not marked.
func (k flowKey) marking() uint8 { return uint8(max(k.dscp, 0)) }

// ruleFor finds the rule of a flow's 5QI, -1 when there is none.
func ruleFor(rules []config.FiveQIDSCP, f qosFlow) int {
	return slices.IndexFunc(rules, func(r config.FiveQIDSCP) bool { return f.fiveQI != 0 && r.FiveQI == f.fiveQI })
}

func dscpOf(rules []config.FiveQIDSCP, f qosFlow) uint8 {
	if i := ruleFor(rules, f); i >= 0 {
		return rules[i].DSCP
	}
	return 0
}

// flowGroup is the flows of one child SA.
type flowGroup struct {
	key  flowKey
	qfis []uint8
}

// groupFlows sorts flows into at most room child SAs, at least one. The first group is for the default child SA: that of the first flow that is not
// GBR, else of the first flow. Groups for which there is no room go into the first one, whose marking they get then.
func groupFlows(c *config.UserPlane, flows []qosFlow, room int) []flowGroup {
	var groups []flowGroup
	first := 0
	if i := slices.IndexFunc(flows, func(f qosFlow) bool { return f.gbr == nil }); i > 0 {
		first = i
	}
	add := func(f qosFlow) {
		k := flowKeyOf(c, f)
		i := slices.IndexFunc(groups, func(g flowGroup) bool { return g.key == k })
		switch {
		case i < 0 && (len(groups) == 0 || len(groups) < room):
			groups = append(groups, flowGroup{key: k})
			i = len(groups) - 1
		case i < 0:
			i = 0
		}
		groups[i].qfis = append(groups[i].qfis, f.qfi)
	}
	if len(flows) > 0 {
		add(flows[first])
	}
	for i, f := range flows {
		if i != first {
			add(f)
		}
	}
	for _, g := range groups {
		slices.Sort(g.qfis)
	}
	return groups
}
