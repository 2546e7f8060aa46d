// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// impatient is a configuration whose waits for others are short, as these tests make others fail.
func impatient(c *config.Config) {
	c.NWu.IKE.Liveness.Period, c.NWu.IKE.Retransmission.Initial = 300*time.Millisecond, 60*time.Millisecond
	t := &c.Timers
	t.EAPStep, t.AMFAnswer, t.ContextSetup, t.NASConnection, t.ChildSetup, t.Release = time.Second, time.Second, time.Second, time.Second, time.Second, 200*time.Millisecond
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
	item := setupItem(t, w, fakeSession)
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
				PDUSessionResourceSetupListCxtReq: ngap.PDUSessionResourceSetupListCxtReq{{PDUSessionID: fakeSession, SNSSAI: item.SNSSAI, PDUSessionResourceSetupRequestTransfer: item.PDUSessionResourceSetupRequestTransfer}},
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
				{PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: modify}, {PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: modify}, {PDUSessionID: fakeSession, PDUSessionResourceModifyRequestTransfer: nil},
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

// ends says before which messages of the AMF in a UE's life the N3IWF must give the UE up when the AMF says this instead of what it should; it must not
// otherwise. The messages are 1, 2 in EAP-5G, 3 the context set-up, 4 Registration Accept, 5 and 6 set-up and release of the PDU session, 7 Deregistration
// Accept, 8 UE CONTEXT RELEASE COMMAND.
var ends = map[string]struct {
	before []int
	why    string
}{
	"InitialContextSetupRequest":                 {[]int{1, 2, 3}, "the key is another one than the UE's, so that it does not authenticate"},
	"InitialContextSetupRequest without UE-AMBR": {[]int{1, 2, 3, 4, 5, 6}, "TS 38.413 8.3.1.4: the failure makes the AMF release the UE"},
	"UEContextReleaseCommand":                    {[]int{1, 2, 3, 4, 5, 6}, "that is what it says"},
	"RerouteNASRequest":                          {[]int{1, 2, 3}, "TS 38.413 8.6.5: there is no AMF of the set"},
	"ErrorIndication that knows no UE":           {[]int{1, 2, 3, 4, 5, 6}, "TS 38.413 10.6: the AMF has dropped it"},
	"another AMF-UE-NGAP-ID":                     {[]int{1, 2, 3, 4, 5, 6}, "TS 38.413 10.6: both ends drop it"},
	"another RAN-UE-NGAP-ID":                     {[]int{1, 2, 3, 4, 5, 6}, "TS 38.413 10.6: both ends drop it"},
}

// TestUnexpectedMessages sends each message of an AMF before each message of a UE's life, and each message of that life twice. The UE lives on, or ends,
// as the standard says of that message at that moment; at each step of its life UE, N3IWF and core agree on what it has, and when it ends, nobody has
// anything of it.
func TestUnexpectedMessages(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, survives := range []bool{true, false} {
		t.Run(fmt.Sprintf("survives %t", survives), func(t *testing.T) {
			change := impatient // as something has to give up
			if survives {
				change = nil
			}
			w := prepareWorld(t, change)
			w.newCoreWorld(func(*core.Config) {})
			messages := unexpected(t, w)
			messages["the same twice"] = nil
			lives := 0
			for _, name := range slices.Sorted(maps.Keys(messages)) {
				for step := 1; step <= 8; step++ {
					if slices.Contains(ends[name].before, step) == survives {
						continue
					}
					lives++
					w.disturb(messages[name], step)
					what := fmt.Sprintf("%q before message %d", name, step)
					u, came := w.life(w.ctx, lives%40, what, fakeSession)
					w.core.Alter(nil)
					if survives {
						require.Equal(t, "deregistered", came, "%s must not end the UE", what)
					} else {
						// Its last step can be cut short by the end of the IKE SA; the core has not heard of it then.
						idle := slices.ContainsFunc(w.core.State().Idle, func(s core.UEState) bool { return s.IMSI == imsi(lives%40) })
						require.True(t, came != "deregistered" || idle, "%s must end the UE: %s", what, ends[name].why)
					}
					w.forgotten("a UE after " + what)
					require.Empty(t, u.State().Children, what)
					require.NoError(t, u.Close())
				}
			}
			t.Logf("%d lives", lives)
			u, came := w.life(w.ctx, 39, "the next UE")
			require.Equal(t, "deregistered", came)
			require.NoError(t, u.Close())
			w.noUEs() // of some only the context went: they are idle, registered still
		})
	}
}

// fakeSession is a PDU session that only the AMF of an unexpected message knows.
const fakeSession = 9

// disturb has a message sent before the AMF's n-th one about a UE; without a message, that one is sent twice.
func (w *world) disturb(message func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message, n int) {
	at := 0
	w.core.Alter(func(pdu []byte) [][]byte {
		amf, ran, ok := ueIDs(pdu)
		if !ok {
			return [][]byte{pdu}
		}
		if at++; at != n {
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
}

func (w *world) addrPort() netip.AddrPort { return netip.AddrPortFrom(w.addr(hostN3IWF), w.ikePort()) }
