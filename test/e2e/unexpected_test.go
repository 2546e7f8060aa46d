// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// impatient is a configuration whose waits for others are short, as these tests make others fail.
func impatient(c *config.Config) {
	c.NWu.IKE.Liveness.Period, c.NWu.IKE.Retransmission.Initial = 300*time.Millisecond, 60*time.Millisecond
	t := &c.Timers
	t.EAPStep, t.AMFAnswer, t.ContextSetup, t.NASConnection, t.ChildSetup, t.Release = time.Second, time.Second, time.Second, time.Second, time.Second, 200*time.Millisecond
}

// life lets a UE register, have a PDU session and go. It may fail anywhere; the function tells how far it came. After it nobody may know the UE.
func (w *world) life(i int) (came string) {
	w.t.Helper()
	u, err := ue.New(w.options(i))
	require.NoError(w.t, err)
	ctx, cancel := context.WithTimeout(w.ctx, 700*time.Millisecond)
	defer cancel()
	steps := []struct {
		name string
		run  func() error
	}{
		{"registered", func() error { return u.Register(ctx) }},
		{"session", func() error {
			_, err := u.EstablishSession(ctx, 1, "internet", nil)
			return err
		}},
		{"released", func() error { return u.ReleaseSession(ctx, 1) }},
		{"deregistered", func() error { return u.Deregister(ctx) }},
	}
	came = "nothing"
	for _, s := range steps {
		if err := s.run(); err != nil {
			w.log.Info("life ended early", "after", came, "error", err)
			break
		}
		came = s.name
	}
	require.NoError(w.t, u.Close())
	return came
}

// forgotten waits until nobody has anything of any UE that would need the other side. A core that lost track is told to give up what it has, as an
// operator would.
func (w *world) forgotten(what string) {
	w.t.Helper()
	w.until("the end of "+what, func() bool {
		s := w.nf.Status()
		return s.UEs == 0 && s.ChildSAs == 0 && s.PDUSessions == 0 && s.InnerAddresses == 0 && s.N3.Sessions == 0 && s.NAS.Connections == 0 && w.connected() == 0
	})
}

// ueIDs are the ids of a downlink message about a UE.
func ueIDs(pdu []byte) (amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID, ok bool) {
	p, err := ngap.Decode(pdu)
	if err != nil {
		return 0, 0, false
	}
	a, r := ngap.UEIDs(p.Message)
	if a == nil || r == nil {
		return 0, 0, false
	}
	return *a, *r, true
}

// unexpected are messages of an AMF, right by themselves.
func unexpected(t *testing.T, w *world) map[string]func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
	type ids = func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message
	item := setupItem(t, w, 9)
	modify, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{})
	require.NoError(t, err)
	release, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	require.NoError(t, err)
	location, err := ngap.NewUserLocationInformationN3IWF(w.addrPort(), nil)
	require.NoError(t, err)
	node := func(m ngap.Message) ids { return func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message { return m } }
	cause := ngap.CauseRadioNetworkUnknownLocalUENGAPID.Cause()
	return map[string]ids{
		"DownlinkNASTransport": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: []byte{0x7e, 0, 0x64, 0x6f}}
		},
		"InitialContextSetupRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.InitialContextSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, GUAMI: guami(t, "cafe00"), AllowedNSSAI: ngap.AllowedNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}}}
		},
		"InitialContextSetupRequest without UE-AMBR": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.InitialContextSetupRequest{
				AMFUENGAPID: a, RANUENGAPID: r, GUAMI: guami(t, "cafe00"), AllowedNSSAI: ngap.AllowedNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}},
				PDUSessionResourceSetupListCxtReq: ngap.PDUSessionResourceSetupListCxtReq{{PDUSessionID: 9, SNSSAI: item.SNSSAI, PDUSessionResourceSetupRequestTransfer: item.PDUSessionResourceSetupRequestTransfer}},
			}
		},
		"UEContextModificationRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UEContextModificationRequest{AMFUENGAPID: a, RANUENGAPID: r}
		},
		"UEContextReleaseCommand": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UEContextReleaseCommand{UENGAPIDs: ngap.UENGAPIDs{UENGAPIDPair: &ngap.UENGAPIDPair{AMFUENGAPID: a, RANUENGAPID: r}}, Cause: ngap.CauseNasNormalRelease.Cause()}
		},
		"PDUSessionResourceSetupRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{item}}
		},
		"PDUSessionResourceModifyRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
				{PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: modify}, {PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: modify}, {PDUSessionID: 9, PDUSessionResourceModifyRequestTransfer: nil},
			}}
		},
		"PDUSessionResourceReleaseCommand": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceReleaseCommand{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceToReleaseListRelCmd: ngap.PDUSessionResourceToReleaseListRelCmd{
				{PDUSessionID: 1, PDUSessionResourceReleaseCommandTransfer: release}, {PDUSessionID: 1, PDUSessionResourceReleaseCommandTransfer: release}, {PDUSessionID: 99, PDUSessionResourceReleaseCommandTransfer: release},
			}}
		},
		"PDUSessionResourceModifyConfirm": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceModifyConfirm{AMFUENGAPID: a, RANUENGAPID: r}
		},
		"UETNLABindingReleaseRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UETNLABindingReleaseRequest{AMFUENGAPID: a, RANUENGAPID: r}
		},
		"RerouteNASRequest": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.RerouteNASRequest{AMFUENGAPID: &a, RANUENGAPID: r, NGAPMessage: []byte{1}, AMFSetID: 1}
		},
		"ErrorIndication": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.ErrorIndication{AMFUENGAPID: &a, RANUENGAPID: &r, Cause: new(ngap.CauseProtocolUnspecified.Cause())}
		},
		"ErrorIndication that knows no UE": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.ErrorIndication{AMFUENGAPID: &a, RANUENGAPID: &r, Cause: &cause}
		},
		"another AMF-UE-NGAP-ID": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a + 1000, RANUENGAPID: r, NASPDU: []byte{0x7e, 0, 0x64, 0x6f}}
		},
		"another RAN-UE-NGAP-ID": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r + 1000, NASPDU: []byte{0x7e, 0, 0x64, 0x6f}}
		},
		"InitialUEMessage, which is the N3IWF's": func(_ ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.InitialUEMessage{RANUENGAPID: r, NASPDU: []byte{1}, UserLocationInformation: location}
		},
		"UplinkNASTransport, which is the N3IWF's": func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UplinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: []byte{1}, UserLocationInformation: location}
		},
		"NGReset of another UE": func(_ ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.NGReset{Cause: cause, ResetType: ngap.ResetType{PartOfNGInterface: &ngap.UEAssociatedLogicalNGConnectionList{{RANUENGAPID: new(r + 1000)}, {}}}}
		},
		"NGResetAcknowledge":                node(&ngap.NGResetAcknowledge{}),
		"NGSetupFailure":                    node(&ngap.NGSetupFailure{Cause: cause}),
		"OverloadStop":                      node(&ngap.OverloadStop{}),
		"RANConfigurationUpdateAcknowledge": node(&ngap.RANConfigurationUpdateAcknowledge{}),
		"AMFConfigurationUpdate":            node(&ngap.AMFConfigurationUpdate{}),
	}
}

// TestUnexpectedMessages sends each message of an AMF before each message of a UE's life, and each message of that life twice. Whatever the UE makes
// of it, in the end nobody has a context of it, and the next UE is served.
func TestUnexpectedMessages(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, impatient)
	w.newCoreWorld(func(*core.Config) {})
	messages := unexpected(t, w)
	messages["the same twice"] = nil
	lives, whole, at := 0, 0, 0
	for name, message := range messages {
		for step := 1; step <= 9; step++ {
			at = 0
			w.core.Alter(func(pdu []byte) [][]byte {
				amf, ran, ok := ueIDs(pdu)
				if !ok {
					return [][]byte{pdu}
				}
				if at++; at != step {
					return [][]byte{pdu}
				}
				if message == nil {
					return [][]byte{pdu, pdu}
				}
				b, err := ngap.Encode(message(amf, ran))
				if err != nil {
					return [][]byte{pdu}
				}
				return [][]byte{b, pdu}
			})
			came := w.life(lives % 40)
			w.core.Alter(nil)
			lives++
			if came == "deregistered" {
				whole++
			}
			w.forgotten(fmt.Sprintf("a UE after %q before message %d, which came to %s", name, step, came))
		}
	}
	t.Logf("%d lives, %d of them whole", lives, whole)
	require.Equal(t, "deregistered", w.life(39))
	w.noUEs() // of some only the context went: they are idle, registered still
}

func (w *world) addrPort() netip.AddrPort { return netip.AddrPortFrom(w.addr(hostN3IWF), w.ikePort()) }
