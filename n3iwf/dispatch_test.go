// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// line is an NG connection whose associations keep what they are to send.
type line struct {
	t   *testing.T
	o   *owner
	ng  *ngConnection
	log *bytes.Buffer
}

// newLine gives so many UEs that are up to an AMF with so many associations: the first has all the weight, so that UEs that are bound to none use it. The UEs have the
// AMF-UE-NGAP-IDs from 100 on.
func newLine(t *testing.T, ues, associations int) (*line, []*ue) {
	o, list, log := bareOwner(t, ues)
	l := &line{t, o, connectAMF(t, o.nf, "one", "cafe00", 10, "01", 1), log}
	l.serve(l.ng, associations)
	for i, u := range list {
		id, guami := ngap.AMFUENGAPID(100+i), someGUAMI(t, "cafe00")
		u.state, u.ng, u.amfID, u.guami = stateUp, l.ng, &id, &guami
		u.path.Remote = netip.MustParseAddrPort("192.0.2.1:4500")
		l.ng.bind(id, u.ranID)
	}
	return l, list
}

func (l *line) serve(ng *ngConnection, associations int) {
	ng.amf.log, ng.ctx = slog.New(slog.DiscardHandler), l.t.Context()
	for i := range associations {
		weight := uint8(0)
		if i == 0 {
			weight = 255
		}
		ng.add(nil, uint16(i), weight, ngap.TNLAssociationUsageBoth).attach(streams{n: 4})
	}
}

// hear has the AMF say something on an association, and does all that follows from it.
func (l *line) hear(via int, m ngap.Message) {
	l.t.Helper()
	b, err := ngap.Encode(m)
	require.NoError(l.t, err)
	l.ng.receive(l.ng.tnlas[via], transport.Message{Data: b})
	for tasks := l.o.mail.take(nil); len(tasks) > 0; tasks = l.o.mail.take(nil) {
		for _, task := range tasks {
			task()
		}
	}
	require.Zero(l.t, l.o.nf.counters.Panics.Load(), "%s", l.log)
}

// said is what an association of an AMF has been given to send since it was asked.
func (l *line) said(ng *ngConnection, via int) (list []ngap.Message) {
	l.t.Helper()
	ng.mu.Lock()
	link := ng.tnlas[via].link
	outbox := link.outbox
	link.outbox = nil
	ng.mu.Unlock()
	for _, m := range outbox {
		pdu, err := ngap.Decode(m.pdu)
		require.NoError(l.t, err)
		list = append(list, pdu.Message)
	}
	return list
}

// one is the only thing that an association has been given to send.
func one[T ngap.Message](l *line, ng *ngConnection, via int) T {
	l.t.Helper()
	list := l.said(ng, via)
	require.Len(l.t, list, 1)
	require.IsType(l.t, *new(T), list[0])
	return list[0].(T)
}

func idsOf(u *ue) (ngap.AMFUENGAPID, ngap.RANUENGAPID) { return *u.amfID, ngap.RANUENGAPID(u.ranID) }

// TestAssociationOfTheLastMessage: what a UE says goes where the AMF has last spoken of it, until the AMF releases the binding; then it is drawn by weight again
// (TS 23.501 5.21.1.2, TS 38.413 8.13.1).
func TestAssociationOfTheLastMessage(t *testing.T) {
	l, ues := newLine(t, 2, 3)
	u, other := ues[0], ues[1]
	amf, ran := idsOf(u)
	speaks := func(u *ue, via int) {
		t.Helper()
		u.uplinkNAS([]byte{0x7e})
		require.EqualValues(t, u.ranID, one[*ngap.UplinkNASTransport](l, l.ng, via).RANUENGAPID)
	}
	speaks(u, 0)
	for _, via := range []int{1, 2, 0, 2} {
		l.hear(via, &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran})
		speaks(u, via)
		speaks(u, via)
		speaks(other, 0)
	}
	l.hear(1, &ngap.UETNLABindingReleaseRequest{AMFUENGAPID: amf, RANUENGAPID: ran})
	speaks(u, 0)
}

// TestIDsThatDoNotBelongTogether: a message with ids that do not name one UE is answered on its association with ERROR INDICATION that has both, and each UE
// that one of them names is dropped here, as it is at the AMF (TS 38.413 10.6). Others go on.
func TestIDsThatDoNotBelongTogether(t *testing.T) {
	const nobody, nobodysRAN = ngap.AMFUENGAPID(7), ngap.RANUENGAPID(1 << 30)
	for _, c := range []struct {
		name    string
		amf     func(ues []*ue) ngap.AMFUENGAPID
		ran     func(ues []*ue) ngap.RANUENGAPID
		cause   ngap.CauseRadioNetwork
		dropped []bool
	}{
		{"an AMF id that is nobody's", func([]*ue) ngap.AMFUENGAPID { return nobody }, func(ues []*ue) ngap.RANUENGAPID { return ngap.RANUENGAPID(ues[0].ranID) },
			ngap.CauseRadioNetworkInconsistentRemoteUENGAPID, []bool{true, false, false}},
		{"a RAN id that is nobody's", func(ues []*ue) ngap.AMFUENGAPID { return *ues[0].amfID }, func([]*ue) ngap.RANUENGAPID { return nobodysRAN },
			ngap.CauseRadioNetworkUnknownLocalUENGAPID, []bool{true, false, false}},
		{"ids of two UEs", func(ues []*ue) ngap.AMFUENGAPID { return *ues[1].amfID }, func(ues []*ue) ngap.RANUENGAPID { return ngap.RANUENGAPID(ues[0].ranID) },
			ngap.CauseRadioNetworkInconsistentRemoteUENGAPID, []bool{true, true, false}},
		{"both of nobody", func([]*ue) ngap.AMFUENGAPID { return nobody }, func([]*ue) ngap.RANUENGAPID { return nobodysRAN },
			ngap.CauseRadioNetworkUnknownLocalUENGAPID, []bool{false, false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, ues := newLine(t, 3, 2)
			amf, ran := c.amf(ues), c.ran(ues)
			l.hear(1, &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{0x7e}})
			e := one[*ngap.ErrorIndication](l, l.ng, 1)
			require.Equal(t, []any{&amf, &ran}, []any{e.AMFUENGAPID, e.RANUENGAPID})
			require.True(t, e.Cause.Is(c.cause), e.Cause.String())
			require.Empty(t, l.said(l.ng, 0), "nothing more is said of UEs that both ends have dropped")
			for i, u := range ues {
				require.Equal(t, c.dropped[i], u.released, "UE %d", i)
				require.Equal(t, c.dropped[i], u.gone, "UE %d", i)
			}
		})
	}
}

// TestRequestsForAUEThatEnds: each request about a UE whose release is asked for, and whose IKE SA is gone or going, gets its answer (TS 38.413 8.2, 8.3).
func TestRequestsForAUEThatEnds(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	amf, ran := idsOf(u)
	u.state = stateReleasing
	item := ngap.PDUSessionResourceSetupItemCxtReq{PDUSessionID: 5, SNSSAI: ngap.NewSNSSAI(1, nil), PDUSessionResourceSetupRequestTransfer: []byte{0}}
	why := func(transfer []byte) string {
		bad, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](transfer)
		require.NoError(t, err)
		return bad.Cause.String()
	}
	lost := ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause()

	l.hear(0, &ngap.InitialContextSetupRequest{
		AMFUENGAPID: amf, RANUENGAPID: ran, GUAMI: someGUAMI(t, "cafe00"), AllowedNSSAI: ngap.AllowedNSSAI{{SNSSAI: item.SNSSAI}},
		UEAggregateMaximumBitRate:         &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: 1e6, UEAggregateMaximumBitRateUL: 1e6},
		PDUSessionResourceSetupListCxtReq: ngap.PDUSessionResourceSetupListCxtReq{item},
	})
	f := one[*ngap.InitialContextSetupFailure](l, l.ng, 0)
	require.Equal(t, lost, f.Cause)
	require.Len(t, f.PDUSessionResourceFailedToSetupListCxtFail, 1)
	require.Equal(t, lost.String(), why(f.PDUSessionResourceFailedToSetupListCxtFail[0].PDUSessionResourceSetupUnsuccessfulTransfer))

	l.hear(0, &ngap.UEContextModificationRequest{AMFUENGAPID: amf, RANUENGAPID: ran, NewAMFUENGAPID: new(ngap.AMFUENGAPID(9))})
	require.Equal(t, lost, one[*ngap.UEContextModificationFailure](l, l.ng, 0).Cause)
	require.Equal(t, amf, *u.amfID, "a modification that has failed changes nothing")

	l.hear(0, &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{
		{PDUSessionID: 5, SNSSAI: item.SNSSAI, PDUSessionResourceSetupRequestTransfer: []byte{0}},
	}})
	s := one[*ngap.PDUSessionResourceSetupResponse](l, l.ng, 0)
	require.Empty(t, s.PDUSessionResourceSetupListSURes)
	require.Len(t, s.PDUSessionResourceFailedToSetupListSURes, 1)
	require.Equal(t, lost.String(), why(s.PDUSessionResourceFailedToSetupListSURes[0].PDUSessionResourceSetupUnsuccessfulTransfer))

	l.hear(0, &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
		{PDUSessionID: 5, PDUSessionResourceModifyRequestTransfer: []byte{0}},
	}})
	m := one[*ngap.PDUSessionResourceModifyResponse](l, l.ng, 0)
	require.Len(t, m.PDUSessionResourceFailedToModifyListModRes, 1)
	require.NotNil(t, m.UserLocationInformation)

	l.hear(0, &ngap.PDUSessionResourceReleaseCommand{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceToReleaseListRelCmd: ngap.PDUSessionResourceToReleaseListRelCmd{
		{PDUSessionID: 5, PDUSessionResourceReleaseCommandTransfer: []byte{0}},
	}})
	r := one[*ngap.PDUSessionResourceReleaseResponse](l, l.ng, 0)
	require.Len(t, r.PDUSessionResourceReleasedListRelRes, 1, "one that is not there counts as released")
	require.NotNil(t, r.UserLocationInformation)

	l.hear(0, &ngap.UEContextReleaseCommand{UENGAPIDs: ngap.UENGAPIDs{AMFUENGAPID: &amf}, Cause: lost})
	one[*ngap.UEContextReleaseComplete](l, l.ng, 0)
	require.True(t, u.released)
}

// TestNewGUAMI: UE CONTEXT MODIFICATION REQUEST gives the UE another GUAMI (TS 38.413 8.3.4.2); whether it has to go to another AMF depends on that one from then on.
func TestNewGUAMI(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	amf, ran := idsOf(u)
	backup := connectAMF(t, l.o.nf, "two", "cafe01", 10, "01", 1)
	l.serve(backup, 1)
	withdraw := func(id string) {
		l.hear(0, &ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: someGUAMI(t, id), BackupAMFName: "two"}}})
	}
	another := someGUAMI(t, "cafe02")
	l.hear(0, &ngap.UEContextModificationRequest{AMFUENGAPID: amf, RANUENGAPID: ran, NewGUAMI: &another})
	require.NotNil(t, one[*ngap.UEContextModificationResponse](l, l.ng, 0).UserLocationInformation)
	withdraw("cafe00")
	u.uplinkNAS([]byte{0x7e})
	one[*ngap.UplinkNASTransport](l, l.ng, 0)
	withdraw("cafe02")
	u.uplinkNAS([]byte{0x7e})
	one[*ngap.UplinkNASTransport](l, backup, 0)
}

// TestAggregateRateOfEachMessage: each message that may have a UE-AMBR sets it, in both directions; one that has none leaves it (TS 38.413 8.2.1.2, 8.3.1.2,
// 8.3.4.2, 8.6.2.2).
func TestAggregateRateOfEachMessage(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	amf, ran := idsOf(u)
	l.o.nf.served.Store(&served{})
	next := uint64(1000)
	for _, message := range []func(r *ngap.UEAggregateMaximumBitRate) ngap.Message{
		func(r *ngap.UEAggregateMaximumBitRate) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, UEAggregateMaximumBitRate: r}
		},
		func(r *ngap.UEAggregateMaximumBitRate) ngap.Message {
			return &ngap.UEContextModificationRequest{AMFUENGAPID: amf, RANUENGAPID: ran, UEAggregateMaximumBitRate: r}
		},
		func(r *ngap.UEAggregateMaximumBitRate) ngap.Message {
			return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: amf, RANUENGAPID: ran, UEAggregateMaximumBitRate: r,
				PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{
					{PDUSessionID: 5, SNSSAI: ngap.NewSNSSAI(200, nil), PDUSessionResourceSetupRequestTransfer: []byte{0}}, // which nobody serves
				}}
		},
		func(r *ngap.UEAggregateMaximumBitRate) ngap.Message {
			return &ngap.InitialContextSetupRequest{AMFUENGAPID: amf, RANUENGAPID: ran, GUAMI: *u.guami, AllowedNSSAI: ngap.AllowedNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}}, UEAggregateMaximumBitRate: r}
		},
	} {
		rates := func() [2]uint64 { return [2]uint64{u.limits().Downlink.Rate(), u.limits().Uplink.Rate()} }
		next *= 10
		l.hear(0, message(&ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: ngap.BitRate(next), UEAggregateMaximumBitRateUL: ngap.BitRate(2 * next)}))
		require.Equal(t, [2]uint64{next, 2 * next}, rates(), "%s", ngap.Name(message(nil)))
		l.hear(0, message(nil))
		require.Equal(t, [2]uint64{next, 2 * next}, rates(), "%s without it", ngap.Name(message(nil)))
	}
}

// TestFirstMessageOfAnotherAMF: an AMF that a UE was not given to may speak to it first when nobody has, as the core has rerouted the UE's message by itself, or when it
// names the AMF that has (TS 38.413 8.6.2.2, 8.3.1.2). Otherwise it means somebody else.
func TestFirstMessageOfAnotherAMF(t *testing.T) {
	status := []byte{0x7e, 0, 0x64, 0x6f}
	for _, c := range []struct {
		name    string
		spoken  bool // the UE's AMF has
		message func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message
		takes   bool
	}{
		{"NAS for a UE that nobody has spoken to", false, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: status}
		}, true},
		{"NAS", true, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: status}
		}, false},
		{"NAS that names the AMF", true, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: status, OldAMF: "one"}
		}, true},
		{"NAS that names another AMF", true, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: a, RANUENGAPID: r, NASPDU: status, OldAMF: "three"}
		}, false},
		{"context set-up that names the AMF", true, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.InitialContextSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, GUAMI: someGUAMI(t, "cafe01"), AllowedNSSAI: ngap.AllowedNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}}, OldAMF: "one"}
		}, true},
		{"NAS with the id that the UE has at its AMF, which is well", true, func(_ ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: 100, RANUENGAPID: r, NASPDU: status}
		}, false},
		{"a message that is never the first", false, func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UEContextModificationRequest{AMFUENGAPID: a, RANUENGAPID: r}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, ues := newLine(t, 1, 1)
			u, first := ues[0], l.ng
			if !c.spoken {
				first.unbind(*u.amfID, u.ranID)
				u.amfID = nil
			}
			l.ng = connectAMF(t, l.o.nf, "two", "cafe01", 10, "01", 1)
			l.serve(l.ng, 1)
			l.hear(0, c.message(4242, ngap.RANUENGAPID(u.ranID)))
			if !c.takes {
				require.True(t, one[*ngap.ErrorIndication](l, l.ng, 0).Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID))
				require.Same(t, first, u.ng)
				return
			}
			l.said(l.ng, 0)
			u.uplinkNAS(status)
			require.EqualValues(t, 4242, one[*ngap.UplinkNASTransport](l, l.ng, 0).AMFUENGAPID)
			require.Empty(t, l.said(first, 0))
		})
	}
}

// TestRerouteTooLate: REROUTE NAS REQUEST for a UE that has gone on is a logical error: ERROR INDICATION names the procedure (TS 38.413 10.4), and the UE stays.
func TestRerouteTooLate(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	amf, ran := idsOf(ues[0])
	l.hear(0, &ngap.RerouteNASRequest{AMFUENGAPID: &amf, RANUENGAPID: ran, NGAPMessage: []byte{1}, AMFSetID: 1})
	e := one[*ngap.ErrorIndication](l, l.ng, 0)
	require.Equal(t, []any{&amf, &ran}, []any{e.AMFUENGAPID, e.RANUENGAPID})
	require.True(t, e.Cause.Is(ngap.CauseProtocolMessageNotCompatibleWithReceiverState))
	require.Equal(t, ngap.ProcedureRerouteNASRequest, *e.CriticalityDiagnostics.ProcedureCode)
	require.Equal(t, ngap.TriggeringMessageInitiatingMessage, *e.CriticalityDiagnostics.TriggeringMessage)
	require.False(t, ues[0].released)
}

// TestResetOfAUEWithoutID: a UE that goes before its AMF has given it an id is told of with NG RESET, as there is nothing that a release request could name.
func TestResetOfAUEWithoutID(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	l.ng.unbind(*u.amfID, u.ranID)
	u.amfID = nil
	u.requestRelease(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
	r := one[*ngap.NGReset](l, l.ng, 0)
	require.Equal(t, &ngap.UEAssociatedLogicalNGConnectionList{{RANUENGAPID: new(ngap.RANUENGAPID(u.ranID))}}, r.ResetType.PartOfNGInterface)
	require.True(t, u.released)
}

// TestRoomForDownlinkNAS: so many messages wait for the UE's NAS connection as limits.nasQueue allows; of those that come after them the AMF hears at once, in order.
func TestRoomForDownlinkNAS(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	amf, ran := idsOf(u)
	room := l.o.nf.live().Limits.NASQueue
	for _, behind := range []bool{false, true} { // a message that waits for child SAs
		if behind {
			u.reserveNAS()
		}
		for i := range room + 2 {
			l.hear(0, &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{0x7f, byte(i)}})
		}
		said := l.said(l.ng, 0)
		waiting := room
		if behind {
			waiting-- // that message is one of them
		}
		require.Len(t, said, room+2-waiting)
		for i, m := range said {
			n := m.(*ngap.NASNonDeliveryIndication)
			require.Equal(t, ngap.NASPDU{0x7f, byte(waiting + i)}, n.NASPDU)
			require.True(t, n.Cause.Is(ngap.CauseRadioNetworkRadioConnectionWithUeLost))
		}
	}
}

// TestPatienceAfterADeparture: what waits for the UE's NAS connection is given up in its time, also when the UE was about to leave for another process meanwhile.
func TestPatienceAfterADeparture(t *testing.T) {
	l, ues := newLine(t, 1, 1)
	u := ues[0]
	var err error
	l.o.nf.nas, err = nas.NewServer(nas.Options{Out: func(netip.Addr, []byte) {}, Events: nasEvents{l.o.nf}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.o.nf.nas.Close()) })
	amf, ran := idsOf(u)
	l.hear(0, &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{0x7f}})
	require.True(t, u.nasPatience)
	u.departure = &departure{inPlace: true}
	u.nasImpatient()
	require.Empty(t, l.said(l.ng, 0))
	require.Len(t, u.nasQueue, 1)
	u.endRest()
	require.True(t, u.nasPatience, "it has its time again")
	u.nasImpatient()
	require.Len(t, l.said(l.ng, 0), 1)
	require.Empty(t, u.nasQueue)
}

// TestNASBehindAPDUSession: NAS that comes while a PDU session's message waits for its child SAs comes to the UE behind that one, or behind nothing when the session
// fails.
func TestNASBehindAPDUSession(t *testing.T) {
	for _, comes := range []bool{true, false} {
		l, ues := newLine(t, 1, 1)
		u := ues[0]
		amf, ran := idsOf(u)
		say := func(b byte) {
			l.hear(0, &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{b}})
		}
		say(1)
		place := u.reserveNAS()
		say(3)
		say(4)
		require.Equal(t, [][]byte{{1}}, u.nasQueue)
		want := [][]byte{{1}, {2}, {3}, {4}, {5}}
		if comes {
			u.deliverAt(place, []byte{2})
		} else {
			u.deliverAt(place)
			want = append(want[:1:1], want[2:]...)
		}
		say(5)
		require.Equal(t, want, u.nasQueue)
		require.Empty(t, l.said(l.ng, 0))
	}
}

// TestOrderOfWhatWaitsForTheAMF: what an AMF that is lost has not been sent, and what a UE says until there is one again, is said then in that order
// (TS 23.501 5.21.2).
func TestOrderOfWhatWaitsForTheAMF(t *testing.T) {
	l, ues := newLine(t, 2, 1)
	speak := func(from, to byte) {
		for n := from; n <= to; n++ {
			for _, u := range ues {
				u.uplinkNAS([]byte{0x7f, n})
			}
		}
	}
	speak(1, 3) // which the association does not take
	require.False(t, l.ng.tnlas[0].detach(), "it was the last one")
	for _, task := range l.o.mail.take(nil) {
		task()
	}
	speak(4, 6)
	again := connectAMF(t, l.o.nf, "one", "cafe00", 10, "01", 1)
	l.serve(again, 1)
	for _, u := range ues {
		require.NotNil(t, u.held)
		u.adopt(again)
	}
	speak(7, 7)
	said := map[ngap.RANUENGAPID][]byte{}
	for _, m := range l.said(again, 0) {
		n := m.(*ngap.UplinkNASTransport)
		said[n.RANUENGAPID] = append(said[n.RANUENGAPID], n.NASPDU[1])
	}
	for _, u := range ues {
		require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7}, said[ngap.RANUENGAPID(u.ranID)])
	}
}
