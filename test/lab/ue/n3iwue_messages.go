// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// What free5GC's UE simulator says, octet for octet as a recording of it has it: IKE payloads in its order, NAS messages as it builds them.

// n3iwueInit is IKE_SA_INIT from and to these addresses, without NAT traversal of its own.
func n3iwueInit(spi message.SPI, public, nonce []byte, local, remote netip.AddrPort) *message.Message {
	return &message.Message{
		Header: message.Header{InitiatorSPI: spi, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator},
		Payloads: []message.Payload{
			&message.SecurityAssociation{Proposals: []message.Proposal{n3iwueIKE.Proposal(1, nil)}},
			&message.KeyExchange{Group: 14, Data: public}, &message.Nonce{Data: nonce},
			&message.Notify{Type: message.NAT_DETECTION_SOURCE_IP, Data: suite.NATDetectionHash(spi, 0, local)},
			&message.Notify{Type: message.NAT_DETECTION_DESTINATION_IP, Data: suite.NATDetectionHash(spi, 0, remote)},
		},
	}
}

// n3iwueIdentity is the same for all of them.
var n3iwueIdentity = message.Identification{Type: message.ID_KEY_ID, Data: []byte("UE")}

// n3iwueFirst is the first IKE_AUTH request.
func n3iwueFirst() []message.Payload {
	all := message.TrafficSelectors{anyIPv4}
	return []message.Payload{
		&message.IDi{Identification: n3iwueIdentity},
		&message.SecurityAssociation{Proposals: []message.Proposal{n3iwueSet.Proposal(1, []byte{0, 0, 0, n3iwueESP})}},
		&message.TSi{TrafficSelectors: all}, &message.TSr{TrafficSelectors: all},
	}
}

// n3iwueLast is the last IKE_AUTH request.
func n3iwueLast(auth []byte) []message.Payload {
	return []message.Payload{
		&message.Authentication{Method: message.AuthSharedKey, Data: auth},
		&message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}},
	}
}

// n3iwueChild is the answer to CREATE_CHILD_SA: the traffic selectors come back as they were.
func n3iwueChild(number uint8, spi uint32, nonce []byte, tsi *message.TSi, tsr *message.TSr) []message.Payload {
	chosen := n3iwueSet.Proposal(number, binary.BigEndian.AppendUint32(nil, spi))
	return []message.Payload{&message.SecurityAssociation{Proposals: []message.Proposal{chosen}}, tsi, tsr, &message.Nonce{Data: nonce}}
}

// n3iwueParameters are the AN parameters, in the simulator's order. Older versions put IEI and length into the selected PLMN, and another octet before
// the GUAMI.
func n3iwueParameters(s *Subscriber, old bool) []eap5g.Parameter {
	plmn, _ := nas.NewPLMN(s.MCC, s.MNC)
	guami, selected := append(slices.Clone(plmn[:]), 0xca, 0xfe, 0), plmn[:]
	if old {
		guami = append([]byte{0}, guami...)
		selected = append([]byte{0, 3}, selected...)
	}
	nssai := n3iwueSlice(s.Slices[0])
	return []eap5g.Parameter{
		{Type: eap5g.ParameterGUAMI, Value: guami}, {Type: eap5g.ParameterEstablishmentCause, Value: []byte{3}},
		{Type: eap5g.ParameterSelectedPLMN, Value: selected}, {Type: eap5g.ParameterRequestedNSSAI, Value: nssai},
	}
}

// n3iwueRegistration is Registration Request; inside Security Mode Complete it has the 5GMM capability too.
func n3iwueRegistration(s *Subscriber, capability bool) ([]byte, error) {
	suci, err := s.suci()
	if err != nil {
		return nil, err
	}
	b := append([]byte{0x7e, 0, 0x41, 0x79, 0, byte(len(suci))}, suci...)
	if capability {
		b = append(b, 0x10, 1, 7)
	}
	return append(b, 0x2e, 2, 0x80, 0x20), nil // NEA0 and NIA2
}

// n3iwueSecurityComplete is Security Mode Complete, always with an IMEISV that is not one.
func n3iwueSecurityComplete(s *Subscriber) ([]byte, error) {
	container, err := n3iwueRegistration(s, true)
	b := []byte{0x7e, 0, 0x5e, 0x77, 0, 9, 0x15, 0x11, 0, 0, 0, 0, 0, 0, 0, 0x71, 0, byte(len(container))}
	return append(b, container...), err
}

// n3iwueSlice is an S-NSSAI with its length.
func n3iwueSlice(s nas.SNSSAI) []byte {
	if !s.HasSD {
		return []byte{1, s.SST}
	}
	return append([]byte{4, s.SST}, s.SD[:]...)
}

// n3iwueSession is UL NAS Transport with the request for PDU session 1, whose PTI is 0.
func n3iwueSession(slice nas.SNSSAI) []byte {
	b := []byte{0x7e, 0, 0x67, 1, 0, 0x15, 0x2e, 1, 0, 0xc1, 0xff, 0xff, 0x91, 0xa1, 0x7b, 0, 10, 0x80, 0, 10, 0, 0, 13, 0, 0, 3, 0, 0x12, 1, 0x81, 0x22}
	b = append(b, n3iwueSlice(slice)...)
	return append(b, "\x25\x09\x08internet"...)
}

// n3iwueDeregistration is Deregistration Request: switch-off, so that no answer comes.
func n3iwueDeregistration(guti nas.MobileIdentity) []byte {
	return append([]byte{0x7e, 0, 0x45, 0x0a, 0, byte(len(guti))}, guti...)
}

// message types of 5GMM that it looks at (TS 24.501 9.7)
const (
	n3iwueAuthenticationRequest = 0x56
	n3iwueAuthenticationFailure = 0x59
	n3iwueRegistrationAccept    = 0x42
)

// answerNAS answers what comes in EAP-5G: Authentication Request, again after each failure, and then what it takes for Security Mode Command unread.
func (u *N3IWUE) answerNAS(pdu []byte) ([]byte, error) {
	if !u.challenged {
		if len(pdu) < 3 || pdu[1] != 0 || pdu[2] != n3iwueAuthenticationRequest {
			return nil, fmt.Errorf("%w: NAS message %x where Authentication Request has to be", errN3IWUE, pdu)
		}
		answer, err := u.hosts.answerNAS(pdu)
		u.challenged = err == nil && answer[2] != n3iwueAuthenticationFailure
		return answer, err
	}
	return u.securityMode(pdu)
}
