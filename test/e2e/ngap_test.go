// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

const amfName = "lab-amf"

// heard keeps what the N3IWF says to the core.
type heard struct {
	w    *world
	mu   sync.Mutex
	pdus []*ngap.PDU
	from []string // the AMF that heard it
}

func listen(w *world) *heard {
	h := &heard{w: w}
	w.core.Watch(func(amf string, pdu *ngap.PDU) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pdus, h.from = append(h.pdus, pdu), append(h.from, amf)
	})
	return h
}

// next waits for a message of the type and takes it and what came before out of the list.
func next[T ngap.Message](h *heard) (message T, amf string) {
	h.w.t.Helper()
	h.w.until("the N3IWF's answer", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, pdu := range h.pdus {
			if m, ok := pdu.Message.(T); ok {
				message, amf = m, h.from[i]
				h.pdus, h.from = h.pdus[i+1:], h.from[i+1:]
				return true
			}
		}
		return false
	})
	return message, amf
}

// count is how many messages of a type have come.
func count[T ngap.Message](h *heard) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, pdu := range h.pdus {
		if _, ok := pdu.Message.(T); ok {
			n++
		}
	}
	return n
}

// agree holds that UE, N3IWF and core have the same PDU sessions, in the end.
func (w *world) agree(u *ue.UE, i int) {
	w.t.Helper()
	w.until("the same PDU sessions at UE, N3IWF and core", func() bool {
		var atUE, atCore []int
		for _, s := range u.State().Sessions {
			atUE = append(atUE, int(s.ID))
		}
		for _, c := range w.core.State().UEs {
			if c.IMSI != imsi(i) {
				continue
			}
			for _, s := range c.Sessions {
				if s.DownlinkTEID != 0 {
					atCore = append(atCore, int(s.ID))
				}
			}
			d, ok := w.nf.UE(w.ctx, c.RANID)
			if !ok {
				return false
			}
			atN3IWF := slices.Clone(d.PDUSessions)
			slices.Sort(atN3IWF)
			slices.Sort(atUE)
			slices.Sort(atCore)
			return slices.Equal(atUE, atN3IWF) && slices.Equal(atN3IWF, atCore)
		}
		return len(atUE) == 0 && w.nf.Status().UEs == 0
	})
}

// noUEs waits until neither end has a UE context. The UEs may be registered, with PDU sessions that have no user plane.
func (w *world) noUEs() {
	w.t.Helper()
	w.until("no UE contexts", func() bool {
		s := w.nf.Status()
		return s.UEs == 0 && s.ChildSAs == 0 && s.PDUSessions == 0 && s.InnerAddresses == 0 && s.N3.Sessions == 0 && s.NAS.Connections == 0 && w.connected() == 0
	})
	for _, c := range w.core.State().Idle {
		for _, p := range c.Sessions {
			require.Zero(w.t, p.DownlinkTEID, "a tunnel of a UE that is idle")
		}
	}
}

// secondAMF is another AMF of the core's set.
func secondAMF(w *world) core.AMF {
	return core.AMF{Name: "lab-amf-2", AMFID: "cafe01", Listen: w.addr(hostOtherAMF).String() + ":38412", Capacity: 255}
}

// newAMFSet is a world with two AMFs that know each other's UEs.
func newAMFSet(t *testing.T, change func(*config.Config), changeCore func(*core.Config)) *world {
	t.Helper()
	w := prepareWorld(t, change)
	other := w.cfg.N2.AMFs[0]
	other.Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	w.cfg.N2.AMFs = append(w.cfg.N2.AMFs, other)
	w.startCoreWith(func(c *core.Config) {
		c.AMFs = []core.AMF{secondAMF(w)}
		if changeCore != nil {
			changeCore(c)
		}
	})
	w.startN3IWF()
	w.until("both AMFs", func() bool { return w.nf.Status().AMFs == 2 })
	return w
}

// startCoreWith starts the core with changes that the lines of its file cannot make.
func (w *world) startCoreWith(change func(*core.Config)) {
	w.t.Helper()
	cfg, err := core.LoadConfig(w.coreFile)
	require.NoError(w.t, err)
	change(cfg)
	c, err := core.New(cfg, w.log.With("who", "core"))
	require.NoError(w.t, err)
	w.core = c
	w.t.Cleanup(func() { _ = c.Close() })
}

func (w *world) newCoreWorld(change func(*core.Config)) *world {
	w.startCoreWith(change)
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	return w
}

// TestSessionModify: QoS flows come, change and go; what cannot be is refused with its cause, session by session and flow by flow.
func TestSessionModify(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h, heard := listen(w), &numbers{}
	u, _ := w.online(0, heard.listen)
	flows := func() (list []int) {
		d, ok := w.nf.UE(w.ctx, w.core.State().UEs[0].RANID)
		require.True(t, ok)
		require.Len(t, d.Sessions, 1)
		for _, f := range d.Sessions[0].Flows {
			list = append(list, f.QFI)
		}
		slices.Sort(list)
		return list
	}
	require.Equal(t, []int{1, 2, 3}, flows())
	// modify gives the failed flows with causes, or the cause why nothing was modified.
	modify := func(psi uint8, m core.Modification) (set []int, failed map[int]string, all string) {
		t.Helper()
		require.NoError(t, w.core.ModifySession(imsi(0), psi, m))
		r, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
		require.NotNil(t, r.UserLocationInformation)
		failed = map[int]string{}
		for _, item := range r.PDUSessionResourceModifyListModRes {
			tr, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](item.PDUSessionResourceModifyResponseTransfer)
			require.NoError(t, err)
			for _, f := range tr.QosFlowAddOrModifyResponseList {
				set = append(set, int(f.QosFlowIdentifier))
			}
			for _, f := range tr.QosFlowFailedToAddOrModifyList {
				failed[int(f.QosFlowIdentifier)] = f.Cause.String()
			}
		}
		for _, item := range r.PDUSessionResourceFailedToModifyListModRes {
			tr, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyUnsuccessfulTransfer](item.PDUSessionResourceModifyUnsuccessfulTransfer)
			require.NoError(t, err)
			all = tr.Cause.String()
		}
		return set, failed, all
	}
	none := map[int]string{}

	set, failed, all := modify(1, core.Modification{Set: []core.Flow{{QFI: 7, FiveQI: 2, Guaranteed: 1, Maximum: 2}}, Keep: []uint8{1}, Release: []uint8{3, 9}, NAS: []byte{numberedNAS, 1}})
	require.Equal(t, []int{7, 1}, set)
	require.Equal(t, none, failed)
	require.Empty(t, all)
	require.Equal(t, []int{1, 2, 7}, flows())

	set, failed, all = modify(1, core.Modification{Set: []core.Flow{{QFI: 8, FiveQI: 9}, {QFI: 2, FiveQI: 9}}, Keep: []uint8{10}, Release: []uint8{2}, NAS: []byte{numberedNAS, 2}})
	require.Equal(t, []int{8}, set)
	require.Equal(t, map[int]string{
		2: ngap.CauseRadioNetworkMultipleQosFlowIDInstances.Cause().String(), 10: ngap.CauseRadioNetworkUnkownQosFlowID.Cause().String(),
	}, failed, "in both lists; unknown and without parameters")
	require.Empty(t, all)
	require.Equal(t, []int{1, 2, 7, 8}, flows())

	_, _, all = modify(9, core.Modification{Keep: []uint8{1}, NAS: []byte{numberedNAS, 3}})
	require.Equal(t, ngap.CauseRadioNetworkUnknownPDUSessionID.Cause().String(), all)
	_, _, all = modify(1, core.Modification{Release: []uint8{1, 2, 7, 8}, NAS: []byte{numberedNAS, 4}})
	require.Equal(t, ngap.CauseRadioNetworkInvalidQosCombination.Cause().String(), all, "a PDU session without a flow")
	_, _, all = modify(1, core.Modification{Keep: []uint8{11}, NAS: []byte{numberedNAS, 5}})
	require.Equal(t, ngap.CauseRadioNetworkUnkownQosFlowID.Cause().String(), all, "nothing of it is possible")
	require.Equal(t, []int{1, 2, 7, 8}, flows())
	require.Equal(t, []byte{1, 2}, heard.until(w, 0), "NAS goes to the UE with what was modified, and not with what was not")
	w.agree(u, 0)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestContextModification: the AMF gives the UE another id and GUAMI; both ends use them from then on.
func TestContextModification(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, _ := w.online(0)
	before := w.core.State().UEs[0]
	require.NoError(t, w.core.Rename(imsi(0)))
	r, _ := next[*ngap.UEContextModificationResponse](h)
	after := w.core.State().UEs[0]
	require.NotEqual(t, before.AMFID, after.AMFID)
	require.EqualValues(t, after.AMFID, r.AMFUENGAPID)
	d, ok := w.nf.UE(w.ctx, before.RANID)
	require.True(t, ok)
	require.Equal(t, after.AMFID, *d.AMFUENGAPID)
	// The old id means nothing any more.
	require.NoError(t, w.core.SendNode(amfName, &ngap.UEContextReleaseCommand{
		UENGAPIDs: ngap.UENGAPIDs{AMFUENGAPID: new(ngap.AMFUENGAPID(before.AMFID))}, Cause: ngap.CauseNasNormalRelease.Cause(),
	}))
	e, _ := next[*ngap.ErrorIndication](h)
	require.True(t, e.Cause.Is(ngap.CauseRadioNetworkInconsistentRemoteUENGAPID))
	w.agree(u, 0)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestNGResetByTheAMF: of some UEs, named in each way that there is, then of all. The UEs' IKE SAs end, the others go on.
func TestNGResetByTheAMF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	var ues []*ue.UE
	for i := range 5 {
		u, _ := w.online(i)
		ues = append(ues, u)
	}
	require.NoError(t, w.core.Reset(amfName, imsi(0), imsi(1), imsi(2)))
	a, _ := next[*ngap.NGResetAcknowledge](h)
	require.Len(t, a.UEAssociatedLogicalNGConnectionList, 4, "an unknown one too")
	require.EqualValues(t, 4294967295, *a.UEAssociatedLogicalNGConnectionList[3].RANUENGAPID)
	w.until("two UEs", func() bool { return w.nf.Status().UEs == 2 && w.nf.Status().PDUSessions == 2 })
	for i := range 3 {
		w.until("the end of the UE's SAs", func() bool { return len(ues[i].State().Children) == 0 })
	}
	w.agree(ues[3], 3)
	require.NoError(t, w.core.Reset(amfName))
	a, _ = next[*ngap.NGResetAcknowledge](h)
	require.Empty(t, a.UEAssociatedLogicalNGConnectionList)
	w.noUEs()
	require.Zero(t, count[*ngap.UEContextReleaseRequest](h), "nothing more is said of a UE that was reset")
	w.online(6)
}

// TestNGResetByTheN3IWF: the operator ends all UEs of an AMF; an AMF that does not answer a release request is told that the UE is gone.
func TestNGResetByTheN3IWF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.Timers.Release = 150 * time.Millisecond })
	h := listen(w)
	w.online(0)
	w.online(1)
	require.True(t, w.nf.ResetAMF(amfName))
	r, _ := next[*ngap.NGReset](h)
	require.NotNil(t, r.ResetType.NGInterface)
	w.noUEs()
	require.Zero(t, count[*ngap.NGReset](h), "it was acknowledged")

	w.online(2)
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil && p.ProcedureCode == ngap.ProcedureUEContextRelease {
			return nil // the command is lost
		}
		return [][]byte{pdu}
	})
	require.True(t, w.nf.ReleaseUE(w.ctx, w.core.State().UEs[0].RANID))
	w.until("NG RESET", func() bool { return count[*ngap.NGReset](h) > 0 })
	require.Equal(t, 2, count[*ngap.UEContextReleaseRequest](h), "it was asked for twice")
	r, _ = next[*ngap.NGReset](h)
	require.Len(t, *r.ResetType.PartOfNGInterface, 1)
	w.noUEs()

	acknowledged := 0 // by the core; the N3IWF does not hear it the first time
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil && p.ProcedureCode == ngap.ProcedureNGReset {
			if acknowledged++; acknowledged == 1 {
				return nil
			}
		}
		return [][]byte{pdu}
	})
	require.True(t, w.nf.ResetAMF(amfName))
	next[*ngap.NGReset](h)
	r, _ = next[*ngap.NGReset](h) // it is said once more
	require.NotNil(t, r.ResetType.NGInterface)
	w.core.Alter(nil)
}

// TestOverload: causes and slices are refused as the AMF asks, with back-off; what is not concerned comes in; OVERLOAD STOP ends it.
func TestOverload(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	start := func(m *ngap.OverloadStart) {
		t.Helper()
		require.NoError(t, w.core.SendNode(amfName, m))
	}
	refused := func(i int) {
		t.Helper()
		var away *ue.BackoffError
		require.ErrorAs(t, w.within(w.ue(i).Register), &away)
		require.GreaterOrEqual(t, away.Wait, w.cfg.Timers.UEBackOffMin)
		require.LessOrEqual(t, away.Wait, w.cfg.Timers.UEBackOffMax)
	}
	start(&ngap.OverloadStart{AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: new(ngap.OverloadActionRejectRrcCrSignalling)}})
	w.logged("n3iwf", "the AMF is overloaded", "reject-rrc-cr-signalling")
	refused(0)
	start(&ngap.OverloadStart{AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: new(ngap.OverloadActionRejectNonEmergencyMoDt)}})
	w.logged("n3iwf", "the AMF is overloaded", "reject-non-emergency-mo-dt")
	w.register(w.ue(1)) // signalling is not data
	start(&ngap.OverloadStart{OverloadStartNSSAIList: ngap.OverloadStartNSSAIList{{SliceOverloadList: ngap.SliceOverloadList{{SNSSAI: ngap.NewSNSSAI(9, nil)}}}}})
	w.logged("n3iwf", "the AMF is overloaded", "OverloadStartNSSAIList")
	w.register(w.ue(2)) // another slice
	start(&ngap.OverloadStart{AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: new(ngap.OverloadActionPermitEmergencySessionsAndMobileTerminatedServicesOnly)}})
	w.logged("n3iwf", "the AMF is overloaded", "permit-emergency-sessions")
	refused(4)
	require.NoError(t, w.core.SendNode(amfName, &ngap.OverloadStop{}))
	w.logged("n3iwf", "not overloaded any more")
	w.register(w.ue(3))
}

// TestBackupAMF: an AMF withdraws its GUAMI. New UEs go to the other AMF of the set at once; a UE that is there goes with its next message, or when
// its binding is released, as the indication says. It notices nothing.
func TestBackupAMF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, timer := range map[string]bool{"at once": false, "when released": true} {
		t.Run(name, func(t *testing.T) {
			w := newAMFSet(t, nil, func(c *core.Config) { c.AMFs[0].Capacity = 0 }) // all new UEs come to the first one
			h := listen(w)
			u, p := w.online(0)
			finish := w.traffic(p, 100)
			item := ngap.UnavailableGUAMIItem{GUAMI: guami(t, "cafe00"), BackupAMFName: "lab-amf-2"}
			if timer {
				item.TimerApproachForGUAMIRemoval = new(ngap.TimerApproachForGUAMIRemovalApplyTimer)
			}
			require.NoError(t, w.core.SendNode(amfName, &ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{item}}))
			w.logged("n3iwf", "withdraws a GUAMI")
			speak := func(psi uint8) string {
				t.Helper()
				require.NoError(t, w.within(func(ctx context.Context) error {
					_, err := u.EstablishSession(ctx, psi, "internet", nil)
					return err
				}))
				_, at := next[*ngap.UplinkNASTransport](h)
				h.mu.Lock()
				h.pdus, h.from = nil, nil
				h.mu.Unlock()
				return at
			}
			h.mu.Lock()
			h.pdus, h.from = nil, nil
			h.mu.Unlock()
			if timer {
				require.Equal(t, amfName, speak(2))
				require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
					return &ngap.UETNLABindingReleaseRequest{AMFUENGAPID: amf, RANUENGAPID: ran}
				}))
				w.until("the release of the binding", func() bool { return w.text.has("n3iwf", "binding") })
			}
			require.Equal(t, "lab-amf-2", speak(3))
			w.logged("core", "UE comes to another AMF")
			w.agree(u, 0)
			sent, lost := finish()
			require.Zero(t, lost, "of %d packets", sent)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
		})
	}
}

func guami(t *testing.T, id string) ngap.GUAMI {
	plmn, err := ngap.NewPLMNIdentity("001", "01")
	require.NoError(t, err)
	g, err := ngap.NewGUAMI(plmn, id)
	require.NoError(t, err)
	return g
}

// TestReroute: the first AMF sends a new UE on to another set. The N3IWF passes on, as they are, the UE's message and what the AMF adds for the next one:
// AMF Set ID, Allowed NSSAI, Source to Target AMF Information Reroute and, of Release 18, Partially Allowed NSSAI; and nothing that it does not add.
func TestReroute(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newAMFSet(t, nil, func(c *core.Config) { c.AMFs[0].Capacity, c.AMFs[0].AMFID = 0, "caff01" })
	h := listen(w)
	other := guami(t, "caff01").AMFSetID
	w.core.Reroute(&other)
	u := w.ue(0)
	w.register(u)
	initial, at := next[*ngap.InitialUEMessage](h)
	require.Equal(t, amfName, at)
	again, at := next[*ngap.InitialUEMessage](h)
	require.Equal(t, "lab-amf-2", at)
	require.Equal(t, other, *again.AMFSetID)
	require.NotEmpty(t, again.AllowedNSSAI)
	require.Nil(t, again.SourceToTargetAMFInformationReroute)
	require.Nil(t, again.Unmodelled)
	require.Equal(t, initial.NASPDU, again.NASPDU)
	w.session(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()

	information := &ngap.SourceToTargetAMFInformationReroute{
		ConfiguredNSSAI: &ngap.ConfiguredNSSAI{1, 4, 9, 9}, RejectedNSSAIinPLMN: &ngap.RejectedNSSAIinPLMN{2, 2}, RejectedNSSAIinTA: &ngap.RejectedNSSAIinTA{3},
		IEExtensions: &aper.Unmodelled{IEs: []aper.RawIE{{ID: 60000, Criticality: aper.Ignore, Value: []byte{7}}}},
	}
	partially := aper.RawIE{ID: uint16(ngap.IDPartiallyAllowedNSSAI), Criticality: aper.Ignore, Value: []byte{0, 1, 2, 3}}
	w.core.Alter(func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		m, ok := p.Message.(*ngap.RerouteNASRequest)
		if !ok {
			return [][]byte{pdu}
		}
		m.AllowedNSSAI, m.SourceToTargetAMFInformationReroute = nil, information
		m.Unmodelled = &aper.Unmodelled{IEs: []aper.RawIE{partially, {ID: 60001, Criticality: aper.Ignore, Value: []byte{1}}}}
		b, err := ngap.Encode(m)
		if err != nil {
			return nil
		}
		return [][]byte{b}
	})
	u = w.ue(2)
	w.register(u)
	initial, at = next[*ngap.InitialUEMessage](h)
	require.Equal(t, amfName, at)
	again, at = next[*ngap.InitialUEMessage](h)
	require.Equal(t, "lab-amf-2", at)
	require.Equal(t, other, *again.AMFSetID)
	require.Empty(t, again.AllowedNSSAI)
	require.Equal(t, information, again.SourceToTargetAMFInformationReroute)
	require.Equal(t, []aper.RawIE{partially}, again.Unmodelled.IEs)
	require.Equal(t, []any{initial.RANUENGAPID, initial.NASPDU, initial.RRCEstablishmentCause, initial.UEContextRequest, initial.SelectedPLMNIdentity},
		[]any{again.RANUENGAPID, again.NASPDU, again.RRCEstablishmentCause, again.UEContextRequest, again.SelectedPLMNIdentity})
	w.core.Alter(nil)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	// To a set that nobody is of: the UE is told to come back later.
	nowhere := ngap.AMFSetID(5)
	w.core.Reroute(&nowhere)
	var away *ue.BackoffError
	require.ErrorAs(t, w.within(w.ue(1).Register), &away)
	w.empty()
}

// TestOldAMF: another AMF of the core takes a UE over and names the one that had it; it is the UE's then, with an id of its own. Without that name it
// speaks of a UE that is not its.
func TestOldAMF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newAMFSet(t, nil, func(c *core.Config) { c.AMFs[0].Capacity = 0 })
	h := listen(w)
	u := w.ue(0)
	w.register(u)
	ran := ngap.RANUENGAPID(w.core.State().UEs[0].RANID)
	status := &ngap.DownlinkNASTransport{AMFUENGAPID: 4242, RANUENGAPID: ran, NASPDU: []byte{0x7e, 0, 0x64, 0x6f}}
	require.NoError(t, w.core.SendNode("lab-amf-2", status))
	e, at := next[*ngap.ErrorIndication](h)
	require.Equal(t, "lab-amf-2", at)
	require.True(t, e.Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID))
	status.OldAMF = amfName
	require.NoError(t, w.core.SendNode("lab-amf-2", status))
	w.logged("n3iwf", "UE redirected to another AMF", "to=lab-amf-2")
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() {
		_, err := u.EstablishSession(ctx, 1, "internet", nil)
		done <- err
	}()
	said, at := next[*ngap.UplinkNASTransport](h)
	for at != "lab-amf-2" { // one that was under way
		said, at = next[*ngap.UplinkNASTransport](h)
	}
	require.EqualValues(t, 4242, said.AMFUENGAPID)
	cancel()
	require.Error(t, <-done, "the lab's second AMF knows nothing of it")
}
