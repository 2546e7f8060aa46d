// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// omission is an IE that is left out of a message of the AMF.
type omission struct {
	mu     sync.Mutex
	what   string // message and IE; empty: nothing is left to leave out
	code   ngap.ProcedureCode
	needed bool // it must be there, and its criticality is reject
}

func (o *omission) is() (what string, code ngap.ProcedureCode, needed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.what, o.code, o.needed
}

// omitNext leaves the first IE out that is not done yet, once.
func (w *world) omitNext(done map[string]bool) *omission {
	o := &omission{}
	w.core.Alter(func(pdu []byte) [][]byte {
		o.mu.Lock()
		defer o.mu.Unlock()
		p, err := ngap.Decode(pdu)
		if err != nil || o.what != "" {
			return [][]byte{pdu}
		}
		return [][]byte{core.RewriteIEs(pdu, func(ies []core.IE) []core.IE {
			for i, ie := range ies {
				key := fmt.Sprintf("%s without %s", p.Name(), ngap.ProtocolIEID(ie.ID))
				if done[key] {
					continue
				}
				done[key], o.what, o.code = true, key, p.ProcedureCode
				without := slices.Delete(slices.Clone(ies), i, i+1)
				probe, _ := ngap.Decode(core.RewriteIEs(pdu, func([]core.IE) []core.IE { return without }))
				o.needed = probe != nil && ie.Criticality == uint8(aper.Reject) && probe.Missing(ngap.ProtocolIEID(ie.ID))
				return without
			}
			return ies
		})}
	})
	return o
}

// TestMissingElements takes each IE in turn from each message that an AMF sends during a UE's life. An IE that must be there and whose criticality is
// reject is never passed over in silence; without any other one the UE's life goes on. After it UE, N3IWF and core agree on what there is of the UE,
// which may wait for what was lost, and when it is released, nobody holds anything of it.
func TestMissingElements(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) { c.Timers.Release = 200 * time.Millisecond })
	w.newCoreWorld(func(*core.Config) {})
	h := listen(w)
	done := map[string]bool{}
	mandatory, optional := 0, 0
	for {
		o := w.omitNext(done)
		h.mu.Lock()
		h.pdus, h.from = nil, nil
		h.mu.Unlock()
		ctx, cancel := context.WithCancel(w.ctx)
		var waiting sync.WaitGroup
		waiting.Go(func() { // the UE would wait for what it does not get
			defer cancel()
			w.waitFor(ctx, func() bool {
				cut, code, _ := o.is()
				return reported(h, code) || cut == commandWithoutNAS && count[*ngap.PDUSessionResourceReleaseResponse](h) > 0
			})
		})
		u, came := w.life(ctx, (mandatory+optional)%38, "an IE left out")
		cancel()
		waiting.Wait()
		w.core.Alter(nil)
		cut, code, needed := o.is()
		switch {
		case cut == "":
		case cut == commandWithoutNAS: // which the UE's NAS would have had the end of its PDU session from
			optional++
			require.Equal(t, "session", came)
			w.settled(u, cut, 1)
			require.Zero(t, w.nf.Status().PDUSessions)
		case needed:
			mandatory++
			w.until("an answer to "+cut, func() bool { return reported(h, code) })
			if s := w.nf.Status(); s.ChildSAs > 0 || s.UEs == 0 {
				w.settled(u, cut)
			} else { // it is registering still, for N3IWF and core
				require.Equal(t, w.connected(), s.UEs, cut)
			}
		default:
			optional++
			require.Equal(t, "deregistered", came, cut)
		}
		w.releaseAll()
		w.forgotten("a UE with " + cut + ", which came to " + came)
		require.NoError(t, u.Close())
		if cut == "" {
			break // all are done
		}
	}
	t.Logf("%d IEs that must be there, %d others", mandatory, optional)
	require.GreaterOrEqual(t, mandatory, 12)
	require.GreaterOrEqual(t, optional, 2)
}

const commandWithoutNAS = "PDUSessionResourceReleaseCommand without NAS-PDU"

// reported tells whether the N3IWF complained about a message of the procedure.
func reported(h *heard, code ngap.ProcedureCode) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, pdu := range h.pdus {
		if e, ok := pdu.Message.(*ngap.ErrorIndication); ok && e.CriticalityDiagnostics != nil && *e.CriticalityDiagnostics.ProcedureCode == code {
			return true
		}
		if pdu.Kind == ngap.UnsuccessfulOutcome && pdu.ProcedureCode == code {
			return true
		}
	}
	return false
}

// TestUnknownElements adds an IE that nobody knows, of each criticality, to a request: reject ends the procedure with a failure that names the IE, notify
// is reported in the response, ignore is not.
func TestUnknownElements(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	w.online(0)
	with := func(criticality aper.Criticality) {
		t.Helper()
		w.core.Alter(func(pdu []byte) [][]byte {
			return [][]byte{core.RewriteIEs(pdu, func(ies []core.IE) []core.IE {
				return append(ies, core.IE{ID: 60000, Criticality: uint8(criticality), Value: []byte{0}})
			})}
		})
		require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
			return &ngap.UEContextModificationRequest{AMFUENGAPID: amf, RANUENGAPID: ran}
		}))
	}
	item := func(d *ngap.CriticalityDiagnostics) ngap.CriticalityDiagnosticsIEItem {
		t.Helper()
		require.NotNil(t, d)
		require.Equal(t, ngap.ProcedureUEContextModification, *d.ProcedureCode)
		require.Len(t, d.IEsCriticalityDiagnostics, 1)
		return d.IEsCriticalityDiagnostics[0]
	}
	with(aper.Reject)
	f, _ := next[*ngap.UEContextModificationFailure](h)
	require.True(t, f.Cause.Is(ngap.CauseProtocolAbstractSyntaxErrorReject))
	require.Equal(t, ngap.CriticalityDiagnosticsIEItem{IECriticality: aper.Reject, IEID: 60000, TypeOfError: ngap.TypeOfErrorNotUnderstood}, item(f.CriticalityDiagnostics))
	with(aper.Notify)
	r, _ := next[*ngap.UEContextModificationResponse](h)
	require.Equal(t, ngap.CriticalityDiagnosticsIEItem{IECriticality: aper.Notify, IEID: 60000, TypeOfError: ngap.TypeOfErrorNotUnderstood}, item(r.CriticalityDiagnostics))
	with(aper.Ignore)
	r, _ = next[*ngap.UEContextModificationResponse](h)
	require.Nil(t, r.CriticalityDiagnostics)
	require.Zero(t, count[*ngap.ErrorIndication](h))
}

// TestUnsupportedProcedures sends the beginning of each procedure that an N3IWF does not run, about a UE that is there: criticality reject is answered
// with ERROR INDICATION that names the procedure, ignore with nothing, and the UE goes on.
func TestUnsupportedProcedures(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, p := w.online(0)
	state := w.core.State().UEs[0]
	ids, err := ngap.Encode(&ngap.UETNLABindingReleaseRequest{AMFUENGAPID: ngap.AMFUENGAPID(state.AMFID), RANUENGAPID: ngap.RANUENGAPID(state.RANID)})
	require.NoError(t, err)
	used := []ngap.ProcedureCode{0, 1, 4, 9, 14, 15, 19, 20, 21, 22, 23, 26, 27, 28, 29, 30, 35, 36, 40, 41, 42, 45, 46}
	for code := ngap.ProcedureCode(2); code <= 86; code++ {
		if slices.Contains(used, code) || code == ngap.ProcedurePrivateMessage {
			continue
		}
		for _, criticality := range []aper.Criticality{aper.Reject, aper.Ignore} {
			if modelled := code == ngap.ProcedureRANCPRelocationIndication || code == ngap.ProcedureAMFCPRelocationIndication; modelled && criticality == aper.Ignore {
				continue // its IEs are known, and these are wrong: that is another error
			}
			pdu := slices.Clone(ids)
			pdu[1], pdu[2] = byte(code), byte(criticality)<<6
			w.core.Alter(func([]byte) [][]byte { return [][]byte{pdu} })
			require.NoError(t, w.core.SendNode(amfName, &ngap.OverloadStop{}))
			w.core.Alter(nil)
			if criticality == aper.Ignore {
				continue
			}
			e, _ := next[*ngap.ErrorIndication](h)
			require.True(t, e.Cause.Is(ngap.CauseProtocolAbstractSyntaxErrorReject), "%s: %s", code, ngap.String(e))
			require.Equal(t, code, *e.CriticalityDiagnostics.ProcedureCode)
			require.Equal(t, aper.Reject, *e.CriticalityDiagnostics.ProcedureCriticality)
		}
	}
	require.NoError(t, w.core.Rename(imsi(0))) // behind all of them
	next[*ngap.UEContextModificationResponse](h)
	require.Zero(t, count[*ngap.ErrorIndication](h))
	counted := n3iwf.Words("sent", ngap.ProcedureCode(2).String(), ngap.CauseProtocolAbstractSyntaxErrorReject.Cause().String())
	require.EqualValues(t, 1, tallied(&w.nf.Counters().NGAPFaults, counted))
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestFullLists sends lists of the greatest length that the protocol allows. Each entry gets its answer.
func TestFullLists(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, p := w.online(0)
	next[*ngap.PDUSessionResourceSetupResponse](h)
	setup, modify, release := ngap.PDUSessionResourceSetupListSUReq{}, ngap.PDUSessionResourceModifyListModReq{}, ngap.PDUSessionResourceToReleaseListRelCmd{}
	change, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{})
	require.NoError(t, err)
	drop, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	require.NoError(t, err)
	for i := range 256 {
		id := ngap.PDUSessionID(i)
		setup = append(setup, setupItem(t, w, id))
		modify = append(modify, ngap.PDUSessionResourceModifyItemModReq{PDUSessionID: id, PDUSessionResourceModifyRequestTransfer: change})
		release = append(release, ngap.PDUSessionResourceToReleaseItemRelCmd{PDUSessionID: id, PDUSessionResourceReleaseCommandTransfer: drop})
	}
	send := func(m func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message) {
		require.NoError(t, w.core.Send(imsi(0), m))
	}
	send(func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceSetupListSUReq: setup}
	})
	s, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Len(t, s.PDUSessionResourceSetupListSURes, w.cfg.Limits.PDUSessionsPerUE-1, "as many as a UE may have")
	require.Len(t, s.PDUSessionResourceFailedToSetupListSURes, 256-len(s.PDUSessionResourceSetupListSURes))
	send(func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceModifyListModReq: modify}
	})
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceModifyListModRes, w.cfg.Limits.PDUSessionsPerUE)
	require.Len(t, m.PDUSessionResourceFailedToModifyListModRes, 256-w.cfg.Limits.PDUSessionsPerUE)
	flows := core.Modification{}
	for qfi := range uint8(64) {
		flows.Set = append(flows.Set, core.Flow{QFI: qfi, FiveQI: 9})
	}
	require.NoError(t, w.core.ModifySession(imsi(0), 1, flows))
	m, _ = next[*ngap.PDUSessionResourceModifyResponse](h)
	tr, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](m.PDUSessionResourceModifyListModRes[0].PDUSessionResourceModifyResponseTransfer)
	require.NoError(t, err)
	require.Len(t, tr.QosFlowAddOrModifyResponseList, 64)
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err)
	send(func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceReleaseCommand{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceToReleaseListRelCmd: release}
	})
	l, _ := next[*ngap.PDUSessionResourceReleaseResponse](h)
	require.Len(t, l.PDUSessionResourceReleasedListRelRes, 256)
	w.until("no PDU session", func() bool { return w.nf.Status().PDUSessions == 0 && w.nf.Status().ChildSAs == 1 })

	unavailable := ngap.UnavailableGUAMIList{}
	list := ngap.UEAssociatedLogicalNGConnectionList{}
	for i := range 256 {
		unavailable = append(unavailable, ngap.UnavailableGUAMIItem{GUAMI: guami(t, fmt.Sprintf("01%04x", i))})
	}
	for i := range 65536 {
		list = append(list, ngap.UEAssociatedLogicalNGConnectionItem{RANUENGAPID: new(ngap.RANUENGAPID(1<<30 + i))})
	}
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFStatusIndication{UnavailableGUAMIList: unavailable}))
	require.NoError(t, w.core.SendNode(amfName, &ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{PartOfNGInterface: &list}}))
	a, _ := next[*ngap.NGResetAcknowledge](h)
	require.Len(t, a.UEAssociatedLogicalNGConnectionList, 65536)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestAssociationLostAnywhere loses the association with each message of a UE's life: of the AMF, which is lost with it, and of the N3IWF, which the AMF still
// gets; with an AMF that keeps its contexts and with one that does not. Afterwards UE, N3IWF and core agree on what the UE has, or that it is gone, and the next UE is served.
func TestAssociationLostAnywhere(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, retain := range []bool{false, true} {
		t.Run(fmt.Sprintf("contexts kept %t", retain), func(t *testing.T) {
			w := prepareWorld(t, impatient)
			w.newCoreWorld(func(c *core.Config) { c.Retain = retain })
			lives := 0
			for _, uplink := range []bool{false, true} {
				for step := 1; ; step++ {
					lost := w.loseAt(step, uplink)
					what := fmt.Sprintf("the association lost with message %d, uplink %t", step, uplink)
					ctx, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond) // the UE waits for what is lost
					u, came := w.life(ctx, lives%39, what)
					cancel()
					lives++
					w.core.Alter(nil)
					w.core.Watch(nil)
					w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
					w.settled(u, came+", with "+what)
					w.releaseAll()
					w.forgotten("a UE with " + what)
					require.NoError(t, u.Close())
					if !lost.Load() {
						require.Greater(t, step, 8, "a UE's life has more messages")
						break
					}
				}
			}
			t.Logf("%d lives", lives)
			require.NoError(t, w.within(func(ctx context.Context) error { return w.ue(39).Register(ctx) }))
			require.Equal(t, 1, w.nf.Status().UEs)
		})
	}
}

// loseAt drops the association when the n-th message about a UE is sent by the core, which loses it, or has come to it.
func (w *world) loseAt(n int, uplink bool) *atomic.Bool {
	at, lost := 0, &atomic.Bool{}
	drop := func(aboutUE bool) bool {
		if !aboutUE || lost.Load() {
			return false
		}
		if at++; at != n {
			return false
		}
		lost.Store(true)
		go w.core.Drop(amfName, netip.Addr{}) // from outside, as this is the core's goroutine
		return true
	}
	if uplink {
		w.core.Watch(func(_ string, pdu *ngap.PDU) {
			_, ran := ngap.UEIDs(pdu.Message)
			drop(ran != nil)
		})
		return lost
	}
	w.core.Alter(func(pdu []byte) [][]byte {
		if _, _, ok := ueIDs(pdu); drop(ok) {
			return nil
		}
		return [][]byte{pdu}
	})
	return lost
}
