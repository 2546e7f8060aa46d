// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// sameStory waits until these connected UEs, the N3IWF and the core tell the same story, and nobody knows of another UE: the IKE SAs, the child SAs by their
// SPIs with what they carry, exactly one default one in each PDU session, the sessions with tunnels and QoS flows.
func (w *world) sameStory(us ...*ue.UE) {
	w.t.Helper()
	last := ""
	w.until("agreement of UE, N3IWF and core", func() bool {
		disagreement := w.compare(tellers(us))
		if disagreement != last {
			w.log.Debug("not yet: " + disagreement)
			last = disagreement
		}
		return disagreement == ""
	})
}

// teller is a UE of whatever kind.
type teller interface{ State() ue.State }

func tellers(us []*ue.UE) (list []teller) {
	for _, u := range us {
		list = append(list, u)
	}
	return list
}

func (w *world) compare(us []teller, forged ...int) string {
	page := w.nf.UEs(w.ctx, n3iwf.UEQuery{Limit: 100})
	details := map[string]n3iwf.UEDetail{} // by the initiator's SPI
	for _, summary := range page.UEs {
		if d, ok := w.nf.UE(w.ctx, summary.ID); ok {
			details[d.IKE.InitiatorSPI] = d
		}
	}
	state := w.core.State()
	if len(details) != len(us) || len(state.UEs) != len(us) {
		return fmt.Sprintf("%d UEs, the N3IWF has %d and the core %d", len(us), len(details), len(state.UEs))
	}
	for _, u := range us {
		have := u.State()
		d, ok := details[have.IKE[0]]
		if !ok {
			return "the N3IWF has no IKE SA " + have.IKE[0]
		}
		if d.IKE.ResponderSPI != have.IKE[1] {
			return "another responder's SPI"
		}
		// Child SAs.
		at, it := []string{}, []string{}
		defaults := map[int]int{}
		for _, c := range have.Children {
			if slices.Contains(forged, int(c.Session)) {
				continue
			}
			at = append(at, fmt.Sprintf("%d %08x %08x %v", c.Session, c.Inbound, c.Outbound, c.QFIs))
			if c.Default {
				defaults[int(c.Session)]++
			}
		}
		for _, c := range d.SAs {
			if c.Current && !slices.Contains(forged, c.Session) {
				it = append(it, fmt.Sprintf("%d %s %s %v", c.Session, c.OutboundSPI, c.InboundSPI, c.QFIs))
			}
		}
		slices.Sort(at)
		slices.Sort(it)
		if !slices.Equal(at, it) {
			return fmt.Sprintf("child SAs of the UE %q, of the N3IWF %q", at, it)
		}
		// PDU sessions.
		at, it = []string{}, []string{}
		for _, s := range have.Sessions {
			if slices.Contains(forged, int(s.ID)) {
				continue
			}
			at = append(at, fmt.Sprint(s.ID))
			if defaults[int(s.ID)] != 1 {
				return fmt.Sprintf("PDU session %d has %d default child SAs", s.ID, defaults[int(s.ID)])
			}
		}
		for _, s := range d.Sessions {
			if slices.Contains(forged, s.ID) {
				continue
			}
			var qfis []string
			for _, f := range s.Flows {
				qfis = append(qfis, strconv.Itoa(f.QFI))
			}
			slices.SortFunc(qfis, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
			it = append(it, fmt.Sprintf("%d %s %s %s", s.ID, s.UplinkTEID, s.DownlinkTEID, strings.Join(qfis, ",")))
		}
		var core []string
		for _, c := range state.UEs {
			if c.RANID != d.ID {
				continue
			}
			core = []string{}
			for _, s := range c.Sessions {
				if s.DownlinkTEID != 0 {
					core = append(core, fmt.Sprintf("%d %08x %08x %s", s.ID, s.UplinkTEID, s.DownlinkTEID, s.QFIs))
				}
			}
		}
		slices.Sort(it)
		slices.Sort(core)
		if core == nil || !slices.Equal(core, it) {
			return fmt.Sprintf("PDU sessions of the core %q, of the N3IWF %q", core, it)
		}
		ids := []string{}
		for _, s := range it {
			ids = append(ids, strings.Fields(s)[0])
		}
		slices.Sort(at)
		slices.Sort(ids)
		if !slices.Equal(at, ids) {
			return fmt.Sprintf("PDU sessions of the UE %q, of the N3IWF %q", at, ids)
		}
	}
	return ""
}

// establish brings a PDU session up.
func (w *world) establish(u *ue.UE, r ue.SessionRequest) *ue.Session {
	w.t.Helper()
	var s *ue.Session
	err := w.within(func(ctx context.Context) (err error) {
		s, err = u.Establish(ctx, r)
		return err
	})
	if err != nil {
		w.t.Fatalf("PDU session %d: %v", r.ID, err)
	}
	return s
}
