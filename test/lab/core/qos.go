// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/binary"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// reflectiveTimer is the RQ timer that UEs are told: 2 s.
const reflectiveTimer = 1

// rate is the aggregate maximum bit rate in bit/s.
func (c *Core) rate() uint64 { return c.cfg.AMBR * 1_000_000 }

// accept is the answer to the UE: a rule for each flow that has a filter, and the default rule last.
func (s *session) accept(m *nas.EstablishmentRequest, t *nas.ULNASTransport) *nas.EstablishmentAccept {
	rate := nas.NewBitRate(s.reg.core.rate())
	a := &nas.EstablishmentAccept{
		SM: m.SM, SessionType: s.kind, SSCMode: 1, AMBR: nas.AMBR{Downlink: rate, Uplink: rate},
		Address: &nas.PDUAddress{Type: s.kind, IPv4: s.upf.Address(), InterfaceID: s.upf.InterfaceID()}, SNSSAI: t.SNSSAI, DNN: new(nas.DNN(s.dnn.name)),
		Rules: s.rules(), ExtendedOptions: s.options(m.ExtendedOptions), Flows: s.descriptions(s.flows),
	}
	if len(m.Capability) > 0 && m.Capability[0]&1 != 0 && slices.ContainsFunc(s.flows, func(f flow) bool { return f.Reflective }) {
		a.ReflectiveTimer = new(uint8(reflectiveTimer))
	}
	if s.kind == nas.SessionEthernet || s.kind == nas.SessionUnstructured {
		a.Address = nil
	}
	if m.SessionType != nil && *m.SessionType != s.kind {
		a.Cause = new(nas.SMCauseIPv4Only)
	}
	return a
}

// descriptions tell the UE of flows.
func (s *session) descriptions(flows []flow) (list nas.FlowDescriptions) {
	for _, f := range flows {
		d := nas.FlowDescription{QFI: f.QFI, Operation: nas.FlowCreate, Extended: true, Parameters: []nas.FlowParameter{{ID: nas.Flow5QI, Value: []byte{f.FiveQI}}}}
		if f.Maximum > 0 {
			guaranteed, maximum := rateValue(f.Guaranteed), rateValue(f.Maximum)
			d.Parameters = append(d.Parameters, nas.FlowParameter{ID: nas.FlowGFUL, Value: guaranteed}, nas.FlowParameter{ID: nas.FlowGFDL, Value: guaranteed},
				nas.FlowParameter{ID: nas.FlowMFUL, Value: maximum}, nas.FlowParameter{ID: nas.FlowMFDL, Value: maximum})
		}
		list = append(list, d)
	}
	return list
}

func rateValue(megabits uint64) []byte {
	r := nas.NewBitRate(megabits * 1_000_000)
	return binary.BigEndian.AppendUint16([]byte{r.Unit}, r.Value)
}

// rules: the default one has the lowest precedence, the highest value (TS 24.501 6.2.5.1.1).
func (s *session) rules() (rules nas.QoSRules) {
	for i, f := range s.flows {
		components := f.components()
		if i > 0 && len(components) == 0 {
			continue
		}
		r := nas.QoSRule{ID: uint8(i + 1), Operation: nas.RuleCreate, Precedence: new(uint8(i)), QFI: new(f.QFI)}
		if i == 0 {
			r.Default, r.Precedence = true, new(uint8(255))
			components = []nas.FilterComponent{{Type: nas.MatchAll}}
		}
		r.Filters = []nas.PacketFilter{{Direction: nas.BothWays, ID: 1, Components: components}}
		rules = append(rules, r)
	}
	return rules
}

// components are the conditions of a flow.
func (f *flow) components() (list []nas.FilterComponent) {
	if f.remote.IsValid() {
		mask := ^uint32(0) << (32 - f.remote.Bits()) // a shift by 32 gives 0
		list = append(list, nas.FilterComponent{Type: nas.IPv4Remote, Value: binary.BigEndian.AppendUint32(f.remote.Masked().Addr().AsSlice(), mask)})
	}
	if f.Protocol != 0 {
		list = append(list, nas.FilterComponent{Type: nas.ProtocolNext, Value: []byte{f.Protocol}})
	}
	if f.Port != 0 {
		list = append(list, nas.FilterComponent{Type: nas.RemotePort, Value: binary.BigEndian.AppendUint16(nil, f.Port)})
	}
	if f.DSCP != 0 {
		list = append(list, nas.FilterComponent{Type: nas.TypeOfService, Value: []byte{f.DSCP << 2, 0xfc}})
	}
	return list
}

// options answers what the UE asks in its protocol configuration options; nil when that is nothing.
func (s *session) options(asked []byte) []byte {
	if len(asked) == 0 {
		return nil
	}
	list, err := nas.DecodeOptions(asked)
	if err != nil {
		return nil // an optional element that is malformed counts as absent
	}
	var answer []nas.Option
	for _, o := range list {
		switch o.ID {
		case nas.OptionDNSv4:
			for _, a := range s.dnn.dns {
				answer = append(answer, nas.Option{ID: o.ID, Data: a.AsSlice()})
			}
		case nas.OptionMTUv4:
			answer = append(answer, nas.Option{ID: o.ID, Data: binary.BigEndian.AppendUint16(nil, s.dnn.mtu)})
		}
	}
	if answer == nil {
		return nil
	}
	return nas.EncodeOptions(answer...)
}

var ngapTypes = map[nas.SessionType]ngap.PDUSessionType{
	nas.SessionIPv4: ngap.PDUSessionTypeIPv4, nas.SessionIPv6: ngap.PDUSessionTypeIPv6, nas.SessionIPv4v6: ngap.PDUSessionTypeIPv4v6,
	nas.SessionEthernet: ngap.PDUSessionTypeEthernet, nas.SessionUnstructured: ngap.PDUSessionTypeUnstructured,
}

// transfer tells the N3IWF the tunnel and the flows.
func (s *session) transfer() ([]byte, error) {
	c := s.reg.core
	tunnel, err := ngap.NewGTPTunnel(c.net.upf, s.upf.TEID())
	if err != nil {
		return nil, err
	}
	rate := ngap.BitRate(c.rate())
	t := &ngap.PDUSessionResourceSetupRequestTransfer{
		PDUSessionAggregateMaximumBitRate: &ngap.PDUSessionAggregateMaximumBitRate{PDUSessionAggregateMaximumBitRateDL: rate, PDUSessionAggregateMaximumBitRateUL: rate},
		ULNGUUPTNLInformation:             tunnel, PDUSessionType: ngapTypes[s.kind],
	}
	for _, f := range s.flows {
		q := c.qos(f.Flow)
		t.QosFlowSetupRequestList = append(t.QosFlowSetupRequestList, ngap.QosFlowSetupRequestItem{QosFlowIdentifier: ngap.QosFlowIdentifier(f.QFI), QosFlowLevelQosParameters: q})
	}
	return ngap.EncodeTransfer(t)
}

// qos are the parameters of a flow.
func (c *Core) qos(f Flow) ngap.QosFlowLevelQosParameters {
	q := ngap.QosFlowLevelQosParameters{
		QosCharacteristics:             ngap.QosCharacteristics{NonDynamic5QI: &ngap.NonDynamic5QIDescriptor{FiveQI: ngap.FiveQI(f.FiveQI)}},
		AllocationAndRetentionPriority: ngap.AllocationAndRetentionPriority{PriorityLevelARP: 8, PreEmptionVulnerability: ngap.PreEmptionVulnerabilityPreEmptable},
	}
	if f.Maximum > 0 {
		guaranteed, maximum := ngap.BitRate(f.Guaranteed*1_000_000), ngap.BitRate(f.Maximum*1_000_000)
		q.GBRQosInformation = &ngap.GBRQosInformation{MaximumFlowBitRateDL: maximum, MaximumFlowBitRateUL: maximum, GuaranteedFlowBitRateDL: guaranteed, GuaranteedFlowBitRateUL: guaranteed}
	}
	if f.Reflective {
		q.ReflectiveQosAttribute = new(ngap.ReflectiveQosAttributeSubjectTo)
	}
	return q
}
