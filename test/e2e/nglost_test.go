// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestAssociationLostElsewhere loses the association with each procedure that a UE's life does not have (that is TestAssociationLostAnywhere): with the
// message of the AMF, which is lost with it, and with that of the N3IWF, which the AMF still gets. Afterwards UE, N3IWF and core agree on what there is.
func TestAssociationLostElsewhere(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, retain := range []bool{true, false} {
		t.Run(fmt.Sprintf("contexts kept %t", retain), func(t *testing.T) {
			w := prepareWorld(t, func(c *config.Config) {
				c.Timers.Release = 300 * time.Millisecond
				c.N2.BackOff.Initial, c.N2.BackOff.Max = 10*time.Millisecond, 20*time.Millisecond
			})
			w.newCoreWorld(func(c *core.Config) { c.Retain = retain })
			node := func(m ngap.Message) func(int) error {
				return func(int) error { return w.core.SendNode(amfName, m) }
			}
			send := func(m func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message) func(int) error {
				return func(i int) error { return w.core.Send(imsi(i), m) }
			}
			nobody := ngap.UEAssociatedLogicalNGConnectionList{{RANUENGAPID: new(ngap.RANUENGAPID(4294967295))}}
			for n, c := range []struct {
				name             string
				begin            func(i int) error
				downlink, uplink ngap.Message // with which the association is lost; nil: there is none
			}{
				{"PDU Session Resource Modify", func(i int) error { return w.core.ChangeFlows(imsi(i), 1, []core.Flow{{QFI: 6, FiveQI: 9}}) },
					&ngap.PDUSessionResourceModifyRequest{}, &ngap.PDUSessionResourceModifyResponse{}},
				{"PDU Session Resource Notify", func(i int) error { return w.errorIndication(w.coreUE(i)) }, nil, &ngap.PDUSessionResourceNotify{}},
				{"UE Context Modification", func(i int) error { return w.core.Rename(imsi(i)) }, &ngap.UEContextModificationRequest{}, &ngap.UEContextModificationResponse{}},
				{"UE TNLA Binding Release", send(func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
					return &ngap.UETNLABindingReleaseRequest{AMFUENGAPID: a, RANUENGAPID: r}
				}), &ngap.UETNLABindingReleaseRequest{}, nil},
				{"Reroute NAS Request", send(func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
					return &ngap.RerouteNASRequest{AMFUENGAPID: &a, RANUENGAPID: r, NGAPMessage: []byte{1}, AMFSetID: 1}
				}), &ngap.RerouteNASRequest{}, &ngap.ErrorIndication{}},
				{"UE Context Release Request", func(i int) error { w.nf.ReleaseUE(w.ctx, w.coreUE(i).RANID); return nil },
					&ngap.UEContextReleaseCommand{}, &ngap.UEContextReleaseRequest{}},
				{"NG Reset", node(&ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{PartOfNGInterface: &nobody}}),
					&ngap.NGReset{}, &ngap.NGResetAcknowledge{}},
				{"NG Reset by the N3IWF", func(int) error { w.nf.ResetAMF(amfName); return nil }, &ngap.NGResetAcknowledge{}, &ngap.NGReset{}},
				{"AMF Configuration Update", node(&ngap.AMFConfigurationUpdate{RelativeAMFCapacity: new(ngap.RelativeAMFCapacity(9))}),
					&ngap.AMFConfigurationUpdate{}, &ngap.AMFConfigurationUpdateAcknowledge{}},
				{"AMF Status Indication", node(&ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: guami(t, "beef01")}}}),
					&ngap.AMFStatusIndication{}, nil},
				{"Overload", node(&ngap.OverloadStop{}), &ngap.OverloadStop{}, nil},
				{"NG Setup", func(int) error { w.core.Drop(amfName, netip.Addr{}); return nil }, &ngap.NGSetupResponse{}, &ngap.NGSetupRequest{}},
			} {
				for d, with := range []ngap.Message{c.downlink, c.uplink} {
					if with == nil {
						continue
					}
					what := fmt.Sprintf("the association lost with %s of %s", ngap.Name(with), c.name)
					i := n*2 + d
					u, _ := w.online(i)
					again := w.loseWith(ngap.Name(with))
					require.NoError(t, c.begin(i), what)
					w.until(what, again.Load)
					w.core.Alter(nil)
					w.core.Watch(nil)
					w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
					w.settled(u, what)
					if s := u.Session(1); s != nil && len(u.State().Children) > 1 {
						w.pinged(u, 1)
					}
					w.releaseAll()
					w.forgotten("a UE with " + what)
					require.NoError(t, u.Close())
				}
			}
			w.online(39)
		})
	}
}

// loseWith drops the association when the first message of that name is sent by the core, which loses it, or has come to it. It tells when the N3IWF has
// begun anew.
func (w *world) loseWith(name string) (again *atomic.Bool) {
	lost, again := false, &atomic.Bool{} // lost is the core's goroutine's
	drop := func(p *ngap.PDU) bool {
		if lost || p.Name() != name {
			return false
		}
		lost = true
		go w.core.Drop(amfName, netip.Addr{}) // from outside that goroutine
		return true
	}
	w.core.Watch(func(_ string, pdu *ngap.PDU) {
		if _, setup := pdu.Message.(*ngap.NGSetupRequest); setup && lost {
			again.Store(true)
		}
		drop(pdu)
	})
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil && drop(p) {
			return nil
		}
		return [][]byte{pdu}
	})
	return again
}

// errorIndication says, as the UPF, that it does not know the UE's first tunnel any more.
func (w *world) errorIndication(u core.UEState) error {
	conn, err := udpbatch.Listen(udpbatch.Options{Local: netip.AddrPortFrom(w.addr(hostCore), 0)})
	if err != nil {
		return err
	}
	defer conn.Close()
	to := udpbatch.Address{Remote: netip.AddrPortFrom(w.addr(hostN3), gtpu.Port)}
	return conn.WriteTo(&to, gtpu.AppendErrorIndication(nil, u.Sessions[0].UplinkTEID, w.addr(hostCore), 0), nil)
}
