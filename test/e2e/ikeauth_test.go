// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// ikeAuth runs IKE_AUTH of the UE number i with payloads that the functions change in the first and in the last request, and gives all answers.
func (w *world) ikeAuth(i int, first, last func([]message.Payload) []message.Payload) (s *simulator, answers func() [][]message.Payload) {
	w.t.Helper()
	heard := make(chan []message.Payload, 32)
	s = w.n3iwue(i, func(o *ue.N3IWUEOptions) {
		o.Alter = func(p []message.Payload) []message.Payload {
			if _, ok := message.Get[*message.IDi](p); ok && first != nil {
				return first(p)
			}
			if _, ok := message.Get[*message.Authentication](p); ok && last != nil {
				return last(p)
			}
			return p
		}
		o.Heard = func(p []message.Payload) { heard <- p }
	})
	return s, func() (all [][]message.Payload) {
		for len(heard) > 0 {
			all = append(all, <-heard)
		}
		return all
	}
}

// with and without change a list of payloads.
func with(more ...message.Payload) func([]message.Payload) []message.Payload {
	return func(p []message.Payload) []message.Payload { return append(slices.Clone(p), more...) }
}

func without[T message.Payload](p []message.Payload) []message.Payload {
	return slices.DeleteFunc(slices.Clone(p), func(x message.Payload) bool {
		_, ok := x.(T)
		return ok
	})
}

// TestIKEAuthForms: what UEs may put into the first and the last IKE_AUTH request, and what the N3IWF says to it (TS 24.502 7.3.2, RFC 7296 2.16, 2.19).
// The UE is the simulator, which has nothing of this project's IKEv2 engine.
func TestIKEAuthForms(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.IKE.Profile = "legacy-lab" })
	h := listen(w)
	request := &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}}
	refused := func(t *testing.T, s *simulator, answers func() [][]message.Payload, why message.NotifyType) {
		t.Helper()
		s.exits("exits")
		all := answers()
		n := message.ErrorNotify(all[len(all)-1])
		require.NotNil(t, n)
		require.Equal(t, why, n.Type)
		require.NoError(t, s.Close())
		w.left()
	}
	t.Run("as the simulator has it", func(t *testing.T) {
		s, answers := w.ikeAuth(1, nil, nil)
		s.online(1)
		all := answers()
		idr, ok := message.Get[*message.IDr](all[0])
		require.True(t, ok)
		require.Equal(t, message.Identification{Type: message.ID_FQDN, Data: []byte("n3iwf.lab.example")}, idr.Identification)
		_, ok = message.Get[*message.Authentication](all[0])
		require.True(t, ok, "AUTH by the certificate's key")
		_, ok = message.Get[*message.Certificate](all[0])
		require.False(t, ok, "no CERTREQ, no CERT")
		start, _ := message.Get[*message.EAP](all[0])
		require.Equal(t, []byte{0, 14, 254, 0, 0x28, 0xaf, 0, 0, 0, 3, 1, 0}, start.Packet[2:])
		success, _ := message.Get[*message.EAP](all[len(all)-2])
		require.Len(t, success.Packet, 4)
		require.EqualValues(t, 3, success.Packet[0])
		before, _ := message.Get[*message.EAP](all[len(all)-3])
		require.Equal(t, before.Packet[1], success.Packet[1], "the identifier of the last response")
		auth, _ := message.Get[*message.Authentication](all[len(all)-1])
		require.Equal(t, message.AuthSharedKey, auth.Method)
		last := map[message.NotifyType]*message.Notify{}
		for _, n := range message.All[*message.Notify](all[len(all)-1]) {
			require.Zero(t, n.Protocol)
			require.Empty(t, n.SPI)
			last[n.Type] = n
		}
		require.Equal(t, []byte{10, 60, 0, 1}, last[55502].Data, "NAS_IP4_ADDRESS")
		require.Equal(t, []byte{0x4e, 0x20}, last[55506].Data, "NAS_TCP_PORT")
		require.NotContains(t, last, message.NotifyType(55503), "NAS_IP6_ADDRESS, which was not asked for")
		require.NotContains(t, last, message.MOBIKE_SUPPORTED, "which the UE did not send")
		s.Deregister()
		s.exits("Delete")
		require.NoError(t, s.Close())
		w.left()
	})
	t.Run("SA and traffic selectors in the last request, CP in the first", func(t *testing.T) {
		var later []message.Payload
		s, _ := w.ikeAuth(2, func(p []message.Payload) []message.Payload {
			later = slices.Clone(p[1:])
			return append(slices.Clone(p[:1]), request)
		}, func(p []message.Payload) []message.Payload {
			return append(without[*message.Configuration](p), later...)
		})
		s.online(1)
		s.Deregister()
		s.exits("Delete")
		require.NoError(t, s.Close())
		w.left()
	})
	t.Run("what the N3IWF does not know or use is ignored", func(t *testing.T) {
		s, answers := w.ikeAuth(3, with(&message.Notify{Type: message.EAP_ONLY_AUTHENTICATION}, &message.Notify{Type: 40999, Data: []byte{1}}, &message.Notify{Type: 41101}),
			func(p []message.Payload) []message.Payload {
				p = without[*message.Configuration](p)
				return append(p, &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{
					{Type: 20}, {Type: message.INTERNAL_IP6_ADDRESS}, {Type: message.INTERNAL_IP4_ADDRESS}, {Type: 3}, {Type: 24}, {Type: 16999, Value: []byte{1, 2, 3}},
				}})
			})
		s.online(1)
		all := answers()
		_, ok := message.Get[*message.Authentication](all[0])
		require.True(t, ok, "also for EAP_ONLY_AUTHENTICATION")
		cp, _ := message.Get[*message.Configuration](all[len(all)-1])
		types := []message.ConfigAttributeType{}
		for _, a := range cp.Attributes {
			types = append(types, a.Type)
		}
		require.Equal(t, []message.ConfigAttributeType{message.INTERNAL_IP4_ADDRESS, message.INTERNAL_IP4_NETMASK}, types, "the family that there is")
		s.Deregister()
		s.exits("Delete")
		require.NoError(t, s.Close())
		w.left()
	})
	t.Run("no CP", func(t *testing.T) {
		s, answers := w.ikeAuth(4, nil, without[*message.Configuration])
		refused(t, s, answers, message.FAILED_CP_REQUIRED)
		f, _ := next[*ngap.InitialContextSetupFailure](h)
		require.True(t, f.Cause.Is(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure), ngap.String(f))
	})
	t.Run("an address of a family that there is none of", func(t *testing.T) {
		s, answers := w.ikeAuth(5, nil, func(p []message.Payload) []message.Payload {
			return append(without[*message.Configuration](p), &message.Configuration{
				Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP6_ADDRESS}},
			})
		})
		refused(t, s, answers, message.INTERNAL_ADDRESS_FAILURE)
	})
	t.Run("a signalling SA that the N3IWF cannot agree to", func(t *testing.T) {
		elsewhere := message.TrafficSelectors{{EndPort: 65535, Start: netip.MustParseAddr("192.0.2.0"), End: netip.MustParseAddr("192.0.2.255")}}
		for i, c := range []struct {
			why     message.NotifyType
			instead message.Payload
			change  func([]message.Payload) []message.Payload
		}{
			{message.NO_PROPOSAL_CHOSEN, &message.SecurityAssociation{Proposals: []message.Proposal{{Number: 1, Protocol: message.ProtocolESP, SPI: []byte{0, 0, 0, 2}, Transforms: []message.Transform{
				{Type: message.TransformENCR, ID: 11}, {Type: message.TransformINTEG, ID: 2}, {Type: message.TransformESN}, // NULL
			}}}}, without[*message.SecurityAssociation]},
			{message.TS_UNACCEPTABLE, &message.TSi{TrafficSelectors: elsewhere}, without[*message.TSi]},
		} {
			s, answers := w.ikeAuth(10+i, func(p []message.Payload) []message.Payload { return append(c.change(p), c.instead) }, nil)
			refused(t, s, answers, c.why)
			f, _ := next[*ngap.InitialContextSetupFailure](h)
			require.True(t, f.Cause.Is(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure), ngap.String(f))
		}
	})
	t.Run("wrong AUTH", func(t *testing.T) {
		s, answers := w.ikeAuth(6, nil, func(p []message.Payload) []message.Payload {
			a, _ := message.Get[*message.Authentication](p)
			a.Data[3] ^= 1
			return p
		})
		refused(t, s, answers, message.AUTHENTICATION_FAILED)
	})
	t.Run("AUTH in the first request", func(t *testing.T) {
		s, answers := w.ikeAuth(7, with(&message.Authentication{Method: message.AuthSharedKey, Data: make([]byte, 20)}), nil)
		refused(t, s, answers, message.AUTHENTICATION_FAILED)
	})
	t.Run("child SAs are the N3IWF's to make, and the UE's to end", func(t *testing.T) {
		s, _ := w.ikeAuth(8, nil, nil)
		s.online(1)
		ctx, cancel := context.WithTimeout(w.ctx, deadline)
		defer cancel()
		ask := func(kind message.ExchangeType, payloads ...message.Payload) []message.Payload {
			t.Helper()
			answer, err := s.Ask(ctx, kind, payloads...)
			require.NoError(t, err)
			return answer
		}
		own, peer := s.UserSPIs()
		child := []message.Payload{
			&message.SecurityAssociation{Proposals: []message.Proposal{{Number: 1, Protocol: message.ProtocolESP, SPI: []byte{0, 0, 9, 9}, Transforms: []message.Transform{
				{Type: message.TransformENCR, ID: 12, KeyLength: 256}, {Type: message.TransformINTEG, ID: 2}, {Type: message.TransformESN},
			}}}},
			&message.Nonce{Data: make([]byte, 32)}, &message.TSi{TrafficSelectors: anyTS}, &message.TSr{TrafficSelectors: anyTS},
		}
		require.Equal(t, message.NO_ADDITIONAL_SAS, message.ErrorNotify(ask(message.CREATE_CHILD_SA, child...)).Type)
		rekey := &message.Notify{Protocol: message.ProtocolESP, SPI: []byte{9, 9, 9, 9}, Type: message.REKEY_SA}
		require.Equal(t, message.CHILD_SA_NOT_FOUND, message.ErrorNotify(ask(message.CREATE_CHILD_SA, append([]message.Payload{rekey}, child...)...)).Type)
		d, ok := message.Get[*message.Delete](ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{own}}))
		require.True(t, ok)
		require.Equal(t, []uint32{peer}, d.SPIs, "the other one of the pair")
		n, _ := next[*ngap.PDUSessionResourceNotify](h)
		require.Len(t, n.PDUSessionResourceReleasedListNot, 1)
		require.NotNil(t, n.UserLocationInformation)
		require.Empty(t, ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{0x09090909}}))
		require.Empty(t, ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolIKE}))
		w.logged("core", "N3IWF asks for release")
		w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 && w.nf.Status().InnerAddresses == 0 })
	})
}

var anyTS = message.TrafficSelectors{{EndPort: 65535, Start: netip.IPv4Unspecified(), End: netip.AddrFrom4([4]byte{255, 255, 255, 255})}}

// TestRequestUnanswered: a UE that does not answer the Delete of its child SAs, or what it is told of other flows in them, is gone, with its IKE SA, and the AMF
// is told (TS 24.502 7.6, 7.7).
func TestRequestUnanswered(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) {
		c.NWu.IKE.Profile = "legacy-lab"
		c.NWu.IKE.Retransmission.Base, c.NWu.IKE.Retransmission.Tries = 1.2, 3
	})
	h := listen(w)
	requests := []func(i int) error{
		func(i int) error { return w.core.ReleaseSession(imsi(i), 1) },
		func(i int) error { return w.core.ChangeFlows(imsi(i), 1, []core.Flow{{QFI: 6, FiveQI: 9}}) },
	}
	for i, request := range requests {
		s := w.n3iwue(i, nil)
		s.online(1)
		require.NoError(t, s.Close())
		require.NoError(t, request(i))
	}
	for range requests {
		r, _ := next[*ngap.UEContextReleaseRequest](h)
		require.True(t, r.Cause.Is(ngap.CauseRadioNetworkRadioConnectionWithUeLost), ngap.String(r))
	}
	w.until("an N3IWF without UEs", func() bool {
		return w.nf.Status().UEs == 0 && w.nf.Status().ChildSAs == 0 && w.nf.Status().InnerAddresses == 0
	})
	w.until("idle UEs", func() bool { return w.connected() == 0 })
}

// TestDeleteAnswers: a UE answers the Delete of its child SAs with the SPIs of the other direction, with the same ones, with none or with some that nobody knows.
// All of them are gone then, and the signalling SA stays (TS 24.502 7.7, RFC 7296 1.4.1).
func TestDeleteAnswers(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.IKE.Profile = "legacy-lab" })
	h := listen(w)
	for i, form := range []func(s *simulator, asked []uint32) []uint32{
		func(s *simulator, asked []uint32) []uint32 {
			own, peer := s.UserSPIs()
			require.Equal(t, []uint32{peer}, asked)
			return []uint32{own}
		},
		func(_ *simulator, asked []uint32) []uint32 { return asked },
		func(*simulator, []uint32) []uint32 { return nil },
		func(*simulator, []uint32) []uint32 { return []uint32{0x09090909} },
	} {
		var s *simulator
		s = w.n3iwue(i, func(o *ue.N3IWUEOptions) {
			o.Answer = func(request, answer []message.Payload) []message.Payload {
				d, ok := message.Get[*message.Delete](request)
				if !ok {
					return answer
				}
				if spis := form(s, d.SPIs); spis != nil {
					answer = append(answer, &message.Delete{Protocol: message.ProtocolESP, SPIs: spis})
				}
				return answer
			}
		})
		s.online(1)
		require.NoError(t, w.core.ReleaseSession(imsi(i), 1))
		s.exits("Delete")
		r, _ := next[*ngap.PDUSessionResourceReleaseResponse](h)
		require.Len(t, r.PDUSessionResourceReleasedListRelRes, 1)
		require.Equal(t, i+1, w.nf.Status().ChildSAs, "the signalling SAs")
		require.Zero(t, w.nf.Status().PDUSessions)
		require.NoError(t, s.Close())
	}
}
