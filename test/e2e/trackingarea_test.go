// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// areas counts the tracking areas of the User Location Informations that a core hears, by the message that brings them.
type areas struct {
	mu    sync.Mutex
	heard map[string]map[string]int // TAI, message
}

func watchAreas(c *core.Core) *areas {
	a := &areas{heard: map[string]map[string]int{}}
	c.Watch(func(_ string, pdu *ngap.PDU) {
		field := reflect.ValueOf(pdu.Message).Elem().FieldByName("UserLocationInformation")
		if !field.IsValid() || field.Kind() == reflect.Pointer && field.IsNil() {
			return
		}
		location := reflect.Indirect(field).Interface().(ngap.UserLocationInformation)
		tai := "none"
		if l := location.UserLocationInformationN3IWF; l != nil && l.TAI != nil {
			tai = l.TAI.PLMNIdentity.String() + "-" + l.TAI.TAC.String()
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.heard[tai] == nil {
			a.heard[tai] = map[string]int{}
		}
		a.heard[tai][ngap.Name(pdu.Message)]++
	})
	return a
}

// only gives the messages that brought a location, all of which must have had this tracking area.
func (a *areas) only(t *testing.T, tai string) (messages map[string]int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Len(t, a.heard, 1, "%v", a.heard)
	require.Contains(t, a.heard, tai)
	return a.heard[tai]
}

// threeAreas are tracking areas whose first one is that of neither network: 001/03 and 001/01 in 000001, 001/01 and 001/02 in 000002, and 001/02 with
// a slice of its own in 000003.
func threeAreas(c *config.Config) {
	served := func(mnc string, slices ...config.SNSSAI) config.ServedPLMN {
		if len(slices) == 0 {
			slices = []config.SNSSAI{{SST: 1}}
		}
		return config.ServedPLMN{PLMN: config.PLMN{MCC: "001", MNC: mnc}, Slices: slices}
	}
	areas := make([]config.SupportedTA, 3)
	areas[0] = c.N3IWF.SupportedTAs[0]
	areas[0].PLMNs = []config.ServedPLMN{served("03"), served("01")}
	areas[1].TAC, areas[1].PLMNs = 2, []config.ServedPLMN{served("01"), served("02")}
	areas[2].TAC, areas[2].PLMNs = 3, []config.ServedPLMN{served("02", config.SNSSAI{SST: 1}, config.SNSSAI{SST: 2, SD: "00000a"})}
	c.N3IWF.SupportedTAs = areas
}

// visitor makes a UE a subscriber of the network 001/02.
func visitor(o *ue.Options) {
	o.Subscriber.MNC = "02"
	o.Subscriber.IMSI = strings.Replace(o.Subscriber.IMSI, "00101", "00102", 1)
}

func secondNetwork(tac string) func(*core.Config) {
	return func(c *core.Config) {
		c.Name, c.MNC, c.TAC, c.AMFID = "lab-amf-2", "02", tac, "beef00"
		for i := range c.Subscribers {
			c.Subscribers[i].IMSI = strings.Replace(c.Subscribers[i].IMSI, "00101", "00102", 1)
		}
	}
}

// servesMore has the AMF say that it serves a further PLMN.
func servesMore(t *testing.T, c *core.Core, mnc string) {
	plmn, err := ngap.NewPLMNIdentity("001", mnc)
	require.NoError(t, err)
	c.Alter(func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		m, ok := p.Message.(*ngap.NGSetupResponse)
		if !ok {
			return [][]byte{pdu}
		}
		m.PLMNSupportList = append(m.PLMNSupportList, ngap.PLMNSupportItem{PLMNIdentity: plmn, SliceSupportList: m.PLMNSupportList[0].SliceSupportList})
		b, err := ngap.Encode(m)
		if err != nil {
			return [][]byte{pdu}
		}
		return [][]byte{b}
	})
}

// TestTrackingArea: the location that the N3IWF gives of a UE has the tracking area of the PLMN that the UE has selected, in every message that has one,
// also when the UE moves; the AMF, which lets nobody in from elsewhere, agrees. Of the tracking areas of a PLMN it is the one with the UE's slices. A UE that
// selects a PLMN that an AMF serves but the N3IWF does not gets no further than the N3IWF, and so does one whose PLMN no AMF serves.
func TestTrackingArea(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []struct {
		name, tac string
		change    func(*ue.Options)
	}{
		{"PLMN", "000002", func(*ue.Options) {}},
		{"slice", "000003", func(o *ue.Options) {
			o.Subscriber.Slices = append(o.Subscriber.Slices, o.Subscriber.Slices[0])
			s := &o.Subscriber.Slices[0]
			s.SST, s.HasSD, s.SD = 2, true, [3]byte{0, 0, 10}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := prepareWorld(t, func(c *config.Config) {
				threeAreas(c)
				impatient(c)
			})
			w.startCoreWith(secondNetwork(c.tac))
			servesMore(t, w.core, "05")
			w.startN3IWF()
			w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
			tai := "001/02-" + c.tac
			heard := watchAreas(w.core)
			u, p := w.online(0, visitor, c.change)
			require.Equal(t, tai, w.core.State().UEs[0].TAI)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(11), w.addr(hostN3IWF)) }))
			_, err := p.Ping(w.ctx, 2)
			require.NoError(t, err)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
			require.NoError(t, w.within(u.Deregister))
			w.empty()
			messages := heard.only(t, tai)
			for _, name := range []string{"InitialUEMessage", "UplinkNASTransport", "PDUSessionResourceReleaseResponse", "UEContextReleaseComplete"} {
				require.Positive(t, messages[name], "%s in %v", name, messages)
			}

			nothing := listen(w)
			for i, mnc := range []string{"03", "04", "05"} { // the N3IWF's, nobody's, the AMF's
				var backoff *ue.BackoffError
				u := w.ue(2+i, func(o *ue.Options) {
					o.Subscriber.MNC = mnc
					o.Subscriber.IMSI = strings.Replace(o.Subscriber.IMSI, "00101", "001"+mnc, 1)
				})
				require.ErrorAs(t, w.within(u.Register), &backoff, "001/%s", mnc)
				require.Positive(t, backoff.Wait)
			}
			w.empty()
			require.Zero(t, count[ngap.Message](nothing), "the AMF hears nothing of them")
			why := map[string]uint64{}
			w.nf.Counters().RefusedFor.All(func(word string, n uint64) { why[word] = n })
			caller := w.ue(6, func(o *ue.Options) { // an emergency is for the AMF to judge, from an area of a network that it serves
				o.Subscriber.MNC, o.Emergency = "04", true
				o.Subscriber.IMSI = strings.Replace(o.Subscriber.IMSI, "00101", "00104", 1)
			})
			require.ErrorContains(t, w.within(caller.Register), "registration rejected", "the core knows no such subscriber")
			m, _ := next[*ngap.InitialUEMessage](nothing)
			require.Equal(t, ngap.RRCEstablishmentCauseEmergency, m.RRCEstablishmentCause)
			require.Contains(t, []string{"001/02-000002", "001/02-000003"}, m.UserLocationInformation.UserLocationInformationN3IWF.TAI.PLMNIdentity.String()+"-"+m.UserLocationInformation.UserLocationInformationN3IWF.TAI.TAC.String())
			w.empty()
			require.Equal(t, map[string]uint64{
				"no AMF is connected that serves this UE":                                1,
				"the PLMN or SNPN that the UE has selected is not in n3iwf.supportedTAs": 2,
			}, why)
		})
	}
}

// TestTrackingAreaAtAnotherNode: the tracking area goes with the UE to another node of the cluster.
func TestTrackingAreaAtAnotherNode(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, threeAreas)
	w.startCoreWith(secondNetwork("000002"))
	b := w.startCluster(nil)
	u, p := w.online(0, visitor)
	heard := watchAreas(w.core)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostOtherNWu)) }))
	w.until("the UE at B", func() bool { return b.nf.Status().UEs == 1 && w.nf.Status().UEs == 0 })
	w.until("NAS at B", func() bool { return b.nf.Status().NAS.Connections == 1 })
	_, err := p.Ping(w.ctx, 2)
	require.NoError(t, err)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	require.Positive(t, heard.only(t, "001/02-000002")["UEContextReleaseComplete"])
}
