// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/binary"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Variants of the AMF: what real ones do differently within the standard, or a little outside.
const (
	variantFree5GC  = "free5gc"
	variantOpen5GS  = "open5gs"
	variantShuffled = "shuffled"
	variantExtended = "extended"
	variantMinimal  = "minimal"
)

var variants = []string{"", variantFree5GC, variantOpen5GS, variantShuffled, variantExtended, variantMinimal}

// checkVariant also sets what follows from a variant.
func (n *network) checkVariant(c *Config) error {
	if !slices.Contains(variants, c.Variant) {
		return wrong("variant", "%q: give one of %q", c.Variant, variants[1:])
	}
	return nil
}

// early tells whether Registration Accept goes inside the context set-up.
func (c *Config) early() bool { return c.EarlyAccept || c.Variant == variantOpen5GS }

// accent gives a message the optional elements that the variant sends, or takes them away.
func (c *Core) accent(m ngap.Message) {
	rate := ngap.BitRate(c.rate())
	ambr := &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: rate, UEAggregateMaximumBitRateUL: rate}
	switch c.cfg.Variant {
	case variantFree5GC:
		switch m := m.(type) {
		case *ngap.NGSetupResponse:
			m.CriticalityDiagnostics = &ngap.CriticalityDiagnostics{} // always there, and empty
		case *ngap.InitialContextSetupRequest:
			if len(m.PDUSessionResourceSetupListCxtReq) == 0 {
				m.UEAggregateMaximumBitRate = nil
			}
			m.MaskedIMEISV = new(ngap.MaskedIMEISV(0x0110000000ffff00))
			m.RedirectionVoiceFallback = new(ngap.RedirectionVoiceFallbackPossible)
		case *ngap.PDUSessionResourceSetupRequest:
			for i := range m.PDUSessionResourceSetupListSUReq {
				t := &m.PDUSessionResourceSetupListSUReq[i].PDUSessionResourceSetupRequestTransfer
				*t = c.secondTunnel(*t)
			}
		}
	case variantOpen5GS:
		switch m := m.(type) {
		case *ngap.DownlinkNASTransport:
			m.UEAggregateMaximumBitRate = ambr
			_, m.AllowedNSSAI = c.net.allowed(nil)
		case *ngap.PDUSessionResourceSetupRequest:
			for i := range m.PDUSessionResourceSetupListSUReq {
				t := &m.PDUSessionResourceSetupListSUReq[i].PDUSessionResourceSetupRequestTransfer
				*t = c.secured(*t)
			}
		}
	}
}

// secondTunnel adds the Additional UL NG-U UP TNL Information that free5GC's SMF sends: the same tunnel once more.
func (c *Core) secondTunnel(transfer []byte) []byte {
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](transfer)
	if err != nil {
		return transfer
	}
	t.AdditionalULNGUUPTNLInformation = ngap.UPTransportLayerInformationList{{NGUUPTNLInformation: t.ULNGUUPTNLInformation}}
	return c.transferOr(t, transfer)
}

// secured asks for user-plane protection as Open5GS' SMF can.
func (c *Core) secured(transfer []byte) []byte {
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](transfer)
	if err != nil {
		return transfer
	}
	maximum := ngap.MaximumIntegrityProtectedDataRateMaximumUERate
	t.SecurityIndication = &ngap.SecurityIndication{
		IntegrityProtectionIndication: ngap.IntegrityProtectionIndicationPreferred, ConfidentialityProtectionIndication: ngap.ConfidentialityProtectionIndicationRequired,
		MaximumIntegrityProtectedDataRateUL: &maximum, MaximumIntegrityProtectedDataRateDL: &maximum,
	}
	return c.transferOr(t, transfer)
}

func (c *Core) transferOr(t *ngap.PDUSessionResourceSetupRequestTransfer, otherwise []byte) []byte {
	b, err := ngap.EncodeTransfer(t)
	if err != nil {
		c.log.Error("transfer", slog.Any("error", err))
		return otherwise
	}
	return b
}

// dress changes the encoded message as the variant does.
func (c *Core) dress(pdu []byte) []byte {
	switch c.cfg.Variant {
	case variantShuffled:
		h := fnv.New64a()
		_, _ = h.Write(pdu) // never fails
		order := rand.New(rand.NewPCG(c.seed, h.Sum64()))
		return RewriteIEs(pdu, func(ies []IE) []IE {
			order.Shuffle(len(ies), func(i, j int) { ies[i], ies[j] = ies[j], ies[i] })
			return ies
		})
	case variantExtended:
		later := []uint16{60002}
		if pdu[1] == byte(ngap.ProcedureInitialContextSetup) {
			// ProSe, QMC, A2X, Partially Allowed NSSAI, Extended Old AMF, AMF UE NGAP ID 2 ... (TS 38.413 19.2 9.2.2.1)
			later = append(later, 326, 328, 345, 346, 347, 367, 373, 374, 375, 376, 377, 378, 400, 414, 430, 443, 450)
		}
		return RewriteIEs(pdu, func(ies []IE) []IE {
			ies = append([]IE{{ID: 60001, Criticality: 1, Value: []byte{1, 2, 3}}}, ies...) // ignore
			for _, id := range later {
				ies = append(ies, IE{ID: id, Criticality: 1, Value: make([]byte, 200)})
			}
			return ies
		})
	case variantMinimal:
		return RewriteIEs(pdu, func(ies []IE) []IE { return mandatoryIEs(pdu, ies) })
	}
	return pdu
}

// mandatoryIEs leaves out what a receiver can do without, other than what the message is for: NAS, PDU sessions with the UE-AMBR, a new name of the UE.
func mandatoryIEs(pdu []byte, ies []IE) []IE {
	purpose := []uint16{38, 71, 40, 162}
	if slices.ContainsFunc(ies, func(ie IE) bool { return ie.ID == 71 }) {
		purpose = append(purpose, 110)
	}
	return slices.DeleteFunc(slices.Clone(ies), func(ie IE) bool {
		if slices.Contains(purpose, ie.ID) {
			return false
		}
		rest := slices.DeleteFunc(slices.Clone(ies), func(o IE) bool { return o.ID == ie.ID })
		p, err := ngap.Decode(RewriteIEs(pdu, func([]IE) []IE { return rest }))
		return err == nil && len(p.Issues) == 0
	})
}

// afterRegistration is what the AMF of the variant says behind Registration Complete: free5GC's always names the network and its time.
func (u *ueContext) afterRegistration() {
	if u.core.cfg.Variant == variantFree5GC {
		u.send(networkName())
	}
}

// networkName is a Configuration Update Command that is not to be answered.
func networkName() *nas.ConfigurationUpdateCommand {
	return &nas.ConfigurationUpdateCommand{
		FullName: []byte{0x86, 0xec, 0xb0, 0xb8, 0x76, 0x1e, 0x03}, LocalTimeZone: new(uint8(0)), UniversalTime: &[7]byte{0x62, 0x11, 0x12, 0x21, 0x51, 0x04, 0}, DaylightSaving: new(uint8(0)),
	}
}

// IE is a protocol IE as it stands in a message. Criticality is 0 for reject, 1 for ignore, 2 for notify.
type IE struct {
	ID          uint16
	Criticality uint8
	Value       []byte
}

// RewriteIEs changes the IEs of an encoded NGAP-PDU, whatever they are. Malformed input comes back as it is.
func RewriteIEs(pdu []byte, change func([]IE) []IE) []byte {
	if len(pdu) < 4 {
		return pdu
	}
	value, rest, ok := cutOpen(pdu[3:])
	if !ok || len(rest) > 0 || len(value) < 3 {
		return pdu
	}
	n := int(binary.BigEndian.Uint16(value[1:]))
	var ies []IE
	for b := value[3:]; len(b) > 0; {
		if len(b) < 4 {
			return pdu
		}
		ie := IE{ID: binary.BigEndian.Uint16(b), Criticality: b[2] >> 6}
		if ie.Value, b, ok = cutOpen(b[3:]); !ok {
			return pdu
		}
		ies = append(ies, ie)
	}
	if len(ies) != n {
		return pdu
	}
	ies = change(ies)
	out := []byte{value[0]}
	out = binary.BigEndian.AppendUint16(out, uint16(len(ies)))
	for _, ie := range ies {
		out = binary.BigEndian.AppendUint16(out, ie.ID)
		out = append(out, ie.Criticality<<6)
		out = appendOpen(out, ie.Value)
	}
	return appendOpen(slices.Clone(pdu[:3]), out)
}

// cutOpen reads an open type field (X.691 11.2): its length and content.
func cutOpen(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, at := int(b[0]), 1
	if b[0]&0x80 != 0 {
		if len(b) < 2 || b[0]&0x40 != 0 { // fragments are not needed here
			return nil, nil, false
		}
		n, at = int(binary.BigEndian.Uint16(b)&0x3fff), 2
	}
	if len(b) < at+n {
		return nil, nil, false
	}
	return b[at : at+n], b[at+n:], true
}

func appendOpen(b, value []byte) []byte {
	if len(value) < 0x80 {
		return append(append(b, byte(len(value))), value...)
	}
	return append(binary.BigEndian.AppendUint16(b, 0x8000|uint16(len(value))), value...)
}
