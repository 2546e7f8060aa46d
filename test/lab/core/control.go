// SPDX-License-Identifier: Apache-2.0

package core

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// What tests and tools make the core do: each NGAP procedure of an AMF, with the core's own state following where it has a part in it.

// Errors of the triggers about N3IWFs.
var (
	ErrNoAMF = errors.New("no such AMF has an NG interface")
)

// Watch has f called with each NGAP message that comes in from now on, in the core's goroutine; nil ends it.
func (c *Core) Watch(f func(amf string, pdu *ngap.PDU)) {
	_ = c.do(func() error { c.watch = f; return nil })
}

// Alter has f see each NGAP message before it is sent, in the core's goroutine. What f gives is sent in its place; nothing for none. Nil ends it.
func (c *Core) Alter(f func(pdu []byte) [][]byte) { _ = c.do(func() error { c.alter = f; return nil }) }

// Send sends an NGAP message about a connected UE. Errors: ErrNoUE, ErrIdle.
func (c *Core) Send(imsi string, message func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message) error {
	return c.connectedUE(imsi, func(u *ueContext) error {
		u.ran.send(message(u.amfID, u.ranID))
		return nil
	})
}

func (c *Core) connectedUE(imsi string, f func(u *ueContext) error) error {
	return c.about(imsi, func(r *registration) error {
		if r.ue == nil {
			return fmt.Errorf("%s: %w", imsi, ErrIdle)
		}
		return f(r.ue)
	})
}

// SendNode sends an NGAP message about no UE to each N3IWF of an AMF. Errors: ErrNoAMF.
func (c *Core) SendNode(amf string, m ngap.Message) error {
	return c.do(func() error {
		sent := false
		for _, n := range c.nodes {
			if string(n.amf.name) == amf && len(n.associations) > 0 {
				n.associations[0].send(m)
				sent = true
			}
		}
		if !sent {
			return fmt.Errorf("%s: %w", amf, ErrNoAMF)
		}
		return nil
	})
}

// Drop ends the associations of an AMF without a word, as when it has crashed; with an address only those at this address of the AMF. N3IWFs can come
// back at once.
func (c *Core) Drop(amf string, at netip.Addr) {
	_ = c.do(func() error {
		for _, n := range c.nodes {
			if string(n.amf.name) != amf {
				continue
			}
			for _, g := range n.associations {
				if !at.IsValid() || g.association.LocalAddr().IPs[0] == at {
					_ = g.association.Abort("dropped") // that is what is wanted
				}
			}
		}
		return nil
	})
}

// Associations tells how many TNL associations an AMF has.
func (c *Core) Associations(amf string) (n int) {
	_ = c.do(func() error {
		for _, node := range c.nodes {
			if string(node.amf.name) == amf {
				n += len(node.associations)
			}
		}
		return nil
	})
	return n
}

// Modification is what ModifySession changes. Session ids and flows that do not exist are sent as they are.
type Modification struct {
	Set     []Flow  // flows to add or modify
	Keep    []uint8 // QFIs in the list to add or modify without parameters
	Release []uint8
	NAS     []byte
}

// ModifySession asks the N3IWF to modify a PDU session (TS 38.413 8.2.3). The UPF sends on the flows that it had. Errors: ErrNoUE, ErrIdle.
func (c *Core) ModifySession(imsi string, psi uint8, m Modification) error {
	t := &ngap.PDUSessionResourceModifyRequestTransfer{}
	for _, f := range m.Set {
		q := c.qos(f)
		t.QosFlowAddOrModifyRequestList = append(t.QosFlowAddOrModifyRequestList, ngap.QosFlowAddOrModifyRequestItem{
			QosFlowIdentifier: ngap.QosFlowIdentifier(f.QFI), QosFlowLevelQosParameters: &q,
		})
	}
	for _, qfi := range m.Keep {
		t.QosFlowAddOrModifyRequestList = append(t.QosFlowAddOrModifyRequestList, ngap.QosFlowAddOrModifyRequestItem{QosFlowIdentifier: ngap.QosFlowIdentifier(qfi)})
	}
	for _, qfi := range m.Release {
		t.QosFlowToReleaseList = append(t.QosFlowToReleaseList, ngap.QosFlowWithCauseItem{QosFlowIdentifier: ngap.QosFlowIdentifier(qfi), Cause: ngap.CauseNasNormalRelease.Cause()})
	}
	transfer, err := ngap.EncodeTransfer(t)
	if err != nil {
		return err
	}
	return c.Send(imsi, func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
			{PDUSessionID: ngap.PDUSessionID(psi), NASPDU: m.NAS, PDUSessionResourceModifyRequestTransfer: transfer},
		}}
	})
}

// Rename gives a connected UE another AMF-UE-NGAP-ID and the GUAMI of the AMF that it is at (TS 38.413 8.3.4). Errors: ErrNoUE, ErrIdle.
func (c *Core) Rename(imsi string) error {
	return c.connectedUE(imsi, func(u *ueContext) error {
		c.nextID++
		u.renamed = c.nextID
		c.ues[u.renamed] = u // until the answer both lead to it
		rate := ngap.BitRate(c.rate() / 2)
		u.ran.send(&ngap.UEContextModificationRequest{
			AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, NewAMFUENGAPID: &u.renamed, NewGUAMI: &u.ran.amf.guami,
			UEAggregateMaximumBitRate: &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: rate, UEAggregateMaximumBitRateUL: rate},
		})
		return nil
	})
}

// renameDone takes the N3IWF's answer: with the new id, or a failure with the old one.
func (u *ueContext) renameDone(now ngap.AMFUENGAPID) {
	if u.renamed == 0 {
		return
	}
	old := u.amfID
	if now != u.renamed {
		old = u.renamed
	}
	delete(u.core.ues, old)
	u.amfID, u.renamed = now, 0
}

// Reset drops UEs and tells the N3IWFs of an AMF (TS 38.413 8.7.4): those of the IMSIs, or all when there is none. Errors: ErrNoAMF, ErrNoUE, ErrIdle.
func (c *Core) Reset(amf string, imsis ...string) error {
	m := &ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause()}
	if len(imsis) == 0 {
		m.ResetType.NGInterface = new(ngap.ResetAllResetAll)
		if err := c.SendNode(amf, m); err != nil {
			return err
		}
		return c.do(func() error {
			for _, n := range c.nodes {
				if string(n.amf.name) == amf {
					c.forget(n)
				}
			}
			return nil
		})
	}
	list := ngap.UEAssociatedLogicalNGConnectionList{}
	for i, imsi := range imsis {
		if err := c.connectedUE(imsi, func(u *ueContext) error {
			item := ngap.UEAssociatedLogicalNGConnectionItem{AMFUENGAPID: &u.amfID, RANUENGAPID: &u.ranID}
			switch i % 3 { // each way to name a UE
			case 1:
				item.AMFUENGAPID = nil
			case 2:
				item.RANUENGAPID = nil
			}
			list = append(list, item)
			u.gone()
			return nil
		}); err != nil {
			return err
		}
	}
	list = append(list, ngap.UEAssociatedLogicalNGConnectionItem{RANUENGAPID: new(ngap.RANUENGAPID(4294967295))}) // nobody's
	m.ResetType.PartOfNGInterface = &list
	return c.SendNode(amf, m)
}

// Reroute has the first message of each new UE sent on to an AMF set; nil ends that.
func (c *Core) Reroute(set *ngap.AMFSetID) { _ = c.do(func() error { c.reroute = set; return nil }) }
