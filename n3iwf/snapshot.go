// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// UESummary is one UE in a list.
type UESummary struct {
	ID          uint32         `json:"id"` // RAN-UE-NGAP-ID: names the UE in the log and at the AMF
	State       string         `json:"state"`
	Since       time.Time      `json:"since"`
	AMF         string         `json:"amf,omitempty"`
	Remote      netip.AddrPort `json:"remote"` // where the UE is now
	Local       netip.AddrPort `json:"local"`
	MOBIKE      bool           `json:"mobike"`
	Emergency   bool           `json:"emergency,omitempty"`
	BehindNAT   bool           `json:"behindNAT"`
	Inner       []netip.Addr   `json:"inner"`
	PDUSessions []int          `json:"pduSessions"`
	ChildSAs    int            `json:"childSAs"`
	Moves       uint64         `json:"moves"`
	LastHeard   time.Time      `json:"lastHeard"`
}

// UEQuery chooses UEs of a list. Filter matches the id, addresses, state and AMF by part of their text; empty matches all.
type UEQuery struct {
	Filter        string
	Offset, Limit int // Limit 0: 100; at most 1000
}

// UEPage is a part of the list of UEs, in the order of their ids.
type UEPage struct {
	Total   int         `json:"total"`   // UEs of the N3IWF
	Matched int         `json:"matched"` // of them, those that the filter matches
	Offset  int         `json:"offset"`
	UEs     []UESummary `json:"ues"`
}

// UEDetail is everything about one UE that is no secret.
type UEDetail struct {
	UESummary
	AMFUENGAPID *uint64       `json:"amfUENGAPID,omitempty"`
	NAS         bool          `json:"nasConnected"`
	IKE         IKEView       `json:"ike"`
	SAs         []SAView      `json:"childSADetails"`
	Sessions    []SessionView `json:"sessions"`
	// Paths are the latest paths, oldest first.
	Paths []PathRecord `json:"paths"`
}

// IKEView is the IKE SA.
type IKEView struct {
	InitiatorSPI string `json:"initiatorSPI"`
	ResponderSPI string `json:"responderSPI"`
	Algorithms   string `json:"algorithms"`
	// ChildPath is where the child SAs send; it differs from the UE's address while return routability is pending.
	ChildPath string `json:"childPath"`
	Unproven  bool   `json:"unproven"`
	// PeerAddresses are the further addresses that the UE announced.
	PeerAddresses []netip.Addr `json:"peerAddresses,omitempty"`
}

// SAView is one generation of a child SA.
type SAView struct {
	UE          uint32 `json:"ue"`
	Purpose     string `json:"purpose"` // signalling, or the PDU session
	Session     int    `json:"pduSession,omitempty"`
	QFIs        []int  `json:"qfis,omitempty"`
	InboundSPI  string `json:"inboundSPI"`
	OutboundSPI string `json:"outboundSPI"`
	Algorithms  string `json:"algorithms"`
	Path        string `json:"path"`
	Current     bool   `json:"current"`
	Moves       uint64 `json:"moves"`

	InPackets        uint64 `json:"inPackets"`
	InOctets         uint64 `json:"inOctets"`
	OutPackets       uint64 `json:"outPackets"`
	OutOctets        uint64 `json:"outOctets"`
	InboundSequence  uint64 `json:"inboundSequence"`
	OutboundSequence uint64 `json:"outboundSequence"`
	// Dropped are inbound packets: malformed, old, duplicate, not authentic, or outside the selectors.
	Dropped uint64 `json:"dropped"`
	// Unsent are outbound packets that the SA could not take, all generations together.
	Unsent uint64 `json:"unsent"`
}

// SessionView is one PDU session.
type SessionView struct {
	ID           int        `json:"id"`
	Type         string     `json:"type"`
	SNSSAI       string     `json:"snssai"`
	UPF          string     `json:"upf"`
	UplinkTEID   string     `json:"uplinkTEID"`
	DownlinkTEID string     `json:"downlinkTEID"`
	Active       bool       `json:"active"`
	Flows        []FlowView `json:"flows"`

	UplinkPackets   uint64 `json:"uplinkPackets"`
	UplinkOctets    uint64 `json:"uplinkOctets"`
	DownlinkPackets uint64 `json:"downlinkPackets"`
	DownlinkOctets  uint64 `json:"downlinkOctets"`
	Dropped         uint64 `json:"dropped"`
}

// FlowView is one QoS flow, with what was forwarded of it.
type FlowView struct {
	QFI        int  `json:"qfi"`
	FiveQI     int  `json:"fiveQI,omitempty"` // 0: the AMF has named none
	GBR        bool `json:"gbr,omitempty"`    // with a guaranteed bit rate
	Reflective bool `json:"reflective,omitempty"`

	UplinkPackets   uint64 `json:"uplinkPackets"`
	UplinkOctets    uint64 `json:"uplinkOctets"`
	DownlinkPackets uint64 `json:"downlinkPackets"`
	DownlinkOctets  uint64 `json:"downlinkOctets"`
}

// AMFView is one configured AMF.
type AMFView struct {
	Host      string       `json:"host,omitempty"` // DNS name of the configuration
	Addresses []netip.Addr `json:"addresses"`
	Port      uint16       `json:"port"`
	Connected bool         `json:"connected"`
	Name      string       `json:"name,omitempty"`
	Since     time.Time    `json:"since,omitzero"`
	Capacity  int          `json:"relativeCapacity,omitempty"`
	GUAMIs    []string     `json:"guamis,omitempty"`
	PLMNs     []string     `json:"plmns,omitempty"`
	UEs       int          `json:"ues"`
	// Refused is why the AMF goes by an earlier n3iwf.name and n3iwf.supportedTAs than those in force.
	Refused string `json:"refused,omitempty"`
}

// pageLimit bounds one page of UEs.
const pageLimit = 1000

// UEs gives one page of the list. Each owner is asked in turn, so UEs of different owners may be a little apart in time.
func (nf *N3IWF) UEs(ctx context.Context, q UEQuery) UEPage {
	page := UEPage{Offset: max(0, q.Offset), UEs: []UESummary{}}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	var all []UESummary
	for _, o := range nf.owners {
		matched, total := ask(ctx, o, func() ([]UESummary, int) { return o.summaries(q.Filter), len(o.byRANID) })
		all = append(all, matched...)
		page.Total += total
	}
	slices.SortFunc(all, func(a, b UESummary) int { return cmp.Compare(a.ID, b.ID) })
	page.Matched = len(all)
	from := min(page.Offset, len(all))
	page.UEs = append(page.UEs, all[from:min(from+min(limit, pageLimit), len(all))]...)
	return page
}

// UE gives all of one UE.
func (nf *N3IWF) UE(ctx context.Context, id uint32) (UEDetail, bool) {
	o := nf.ownerOfRAN(id)
	return ask(ctx, o, func() (UEDetail, bool) {
		u := o.byRANID[id]
		if u == nil {
			return UEDetail{}, false
		}
		return u.detail(), true
	})
}

// SAs gives the child SAs of a page of UEs.
func (nf *N3IWF) SAs(ctx context.Context, q UEQuery) []SAView {
	var out []SAView
	for _, s := range nf.UEs(ctx, q).UEs {
		if d, ok := nf.UE(ctx, s.ID); ok {
			out = append(out, d.SAs...)
		}
	}
	return out
}

// ReleaseUE asks the AMF to release a UE and deletes its IKE SA. It tells whether there was such a UE.
func (nf *N3IWF) ReleaseUE(ctx context.Context, id uint32) bool {
	o := nf.ownerOfRAN(id)
	found, _ := ask(ctx, o, func() (bool, struct{}) {
		u := o.byRANID[id]
		if u == nil {
			return false, struct{}{}
		}
		u.log.Info("released by the operator")
		o.guarded(u, func() {
			u.requestRelease(ngap.CauseMiscOmIntervention.Cause())
			u.endIKE()
		})
		return true, struct{}{}
	})
	return found
}

// AMFs are the configured AMFs, in the order of the configuration.
func (nf *N3IWF) AMFs(ctx context.Context) []AMFView {
	on := map[*amf]int{}
	for _, o := range nf.owners {
		part, _ := ask(ctx, o, func() (map[*amf]int, struct{}) {
			part := map[*amf]int{}
			for _, u := range o.byRANID {
				if u.ng != nil {
					part[u.ng.amf]++
				}
			}
			return part, struct{}{}
		})
		for a, n := range part {
			on[a] += n
		}
	}
	out := []AMFView{}
	for _, a := range nf.amfs.get() {
		v := AMFView{Host: a.cfg.Name, Addresses: a.cfg.Addresses, Port: a.cfg.Port, UEs: on[a]}
		if ng := a.ng.Load(); ng != nil {
			v.Connected, v.Name, v.Since, v.Capacity = true, ng.name(), ng.since, int(ng.about().capacity)
			v.GUAMIs, v.PLMNs = ng.serving()
			v.Refused = ng.updateRefused()
		}
		out = append(out, v)
	}
	return out
}

// serving lists the GUAMIs and PLMNs of the AMF as text.
func (ng *ngConnection) serving() (guamis, plmns []string) {
	for _, g := range ng.about().guamis {
		guamis = append(guamis, g.GUAMI.String())
	}
	for _, p := range ng.about().plmns {
		plmns = append(plmns, p.PLMNIdentity.String())
	}
	return guamis, plmns
}

// Nodes are the other nodes of the cluster that are connected.
func (nf *N3IWF) Nodes() []int { return nf.nodes.list() }

// ask runs a question in the owner's goroutine. The answer is zero when the owner or ctx ends first.
func ask[A, B any](ctx context.Context, o *owner, question func() (A, B)) (a A, b B) {
	type answer struct {
		a A
		b B
	}
	answers := make(chan answer, 1)
	if !o.mail.post(func() {
		a, b := question()
		answers <- answer{a, b}
	}) {
		return a, b
	}
	select {
	case got := <-answers:
		return got.a, got.b
	case <-o.done:
	case <-ctx.Done():
	}
	return a, b
}

func (o *owner) summaries(filter string) []UESummary {
	var out []UESummary
	filter = strings.ToLower(filter)
	for _, u := range o.byRANID {
		if s := u.summary(); filter == "" || s.matches(filter) {
			out = append(out, s)
		}
	}
	return out
}

func (u *ue) summary() UESummary {
	s := UESummary{
		ID: u.ranID, State: u.state.String(), Since: u.since, Remote: u.path.Remote, Local: u.path.Local, MOBIKE: u.session.MOBIKE(), Emergency: u.emergency,
		BehindNAT: u.session.NAT().PeerBehindNAT, Inner: []netip.Addr{}, PDUSessions: []int{}, ChildSAs: len(u.children), Moves: u.moves,
		LastHeard: u.session.LastHeard(), AMF: u.amfName(),
	}
	for _, a := range u.inner {
		if a.IsValid() {
			s.Inner = append(s.Inner, a)
		}
	}
	for id := range u.sessions {
		s.PDUSessions = append(s.PDUSessions, int(id))
	}
	slices.Sort(s.PDUSessions)
	return s
}

// amfName is the name of the AMF that the UE was given to, "" before.
func (u *ue) amfName() string {
	if u.ng == nil {
		return ""
	}
	return u.ng.name()
}

func (s *UESummary) matches(filter string) bool {
	for _, text := range []string{strconv.FormatUint(uint64(s.ID), 10), s.State, strings.ToLower(s.AMF), s.Remote.String(), s.Local.Addr().String()} {
		if strings.Contains(text, filter) {
			return true
		}
	}
	return slices.ContainsFunc(s.Inner, func(a netip.Addr) bool { return strings.Contains(a.String(), filter) })
}

func (u *ue) detail() UEDetail {
	d := UEDetail{UESummary: u.summary(), NAS: u.nasConn != nil, SAs: []SAView{}, Sessions: []SessionView{}, Paths: slices.Clone(u.paths)}
	if u.amfID != nil {
		id := uint64(*u.amfID)
		d.AMFUENGAPID = &id
	}
	spiI, spiR := u.session.SPIs()
	d.IKE = IKEView{
		InitiatorSPI: hexDigits(uint64(spiI), 16), ResponderSPI: hexDigits(uint64(spiR), 16), ChildPath: u.session.ChildPath().String(),
		Unproven: u.unproven(), PeerAddresses: u.session.PeerAddresses(),
	}
	if u.state >= stateUp {
		d.IKE.Algorithms = u.session.Suite().String()
	}
	for _, c := range u.children {
		d.SAs = append(d.SAs, u.generations(c)...)
	}
	slices.SortFunc(d.SAs, func(a, b SAView) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.InboundSPI, b.InboundSPI))
	})
	for _, s := range u.sessions {
		d.Sessions = append(d.Sessions, s.view())
	}
	slices.SortFunc(d.Sessions, func(a, b SessionView) int { return cmp.Compare(a.ID, b.ID) })
	return d
}

// generations are the SAs that stand behind one child SA at the moment: after a rekey there are two for a while.
func (u *ue) generations(c *childSA) []SAView {
	stats, err := u.nf.dataPlane.Stats(c.id)
	if err != nil {
		return nil
	}
	purpose, session, algorithms := "signalling", 0, ""
	if c.session != nil {
		purpose, session = "PDU session "+strconv.Itoa(int(c.session.id)), int(c.session.id)
	}
	if c.current != nil {
		algorithms = c.current.Suite.String()
	}
	var out []SAView
	for _, g := range stats.Generations {
		v := SAView{
			UE: u.ranID, Purpose: purpose, Session: session, InboundSPI: hexDigits(uint64(g.InboundSPI), 8), OutboundSPI: hexDigits(uint64(g.OutboundSPI), 8),
			Algorithms: algorithms, Path: ikev2.Path(stats.Path).String(), Current: g.Current, Moves: stats.Moves,
			InPackets: g.Inbound.Packets, InOctets: g.Inbound.Bytes, OutPackets: g.Outbound.Packets, OutOctets: g.Outbound.Bytes,
			InboundSequence: g.InboundSequence, OutboundSequence: g.OutboundSequence,
			Dropped: g.Drops.Malformed + g.Drops.Old + g.Drops.Duplicate + g.Drops.Auth + g.Drops.Selector,
			Unsent:  stats.NoOutbound + stats.Held + stats.Exhausted + stats.TooLong,
		}
		for _, q := range c.qfis {
			v.QFIs = append(v.QFIs, int(q))
		}
		out = append(out, v)
	}
	return out
}

func (s *pduSession) view() SessionView {
	v := SessionView{
		ID: int(s.id), Type: s.pduType.String(), SNSSAI: s.snssai.String(), UPF: s.upf.String(), UplinkTEID: hexDigits(uint64(s.ulTEID), 8), Active: s.active,
		Flows: []FlowView{},
	}
	counted := map[uint8]relay.FlowTraffic{}
	if s.relay != nil {
		for _, f := range s.relay.Flows() {
			counted[f.QFI] = f
		}
	}
	for _, f := range s.flows {
		t := counted[f.qfi]
		v.Flows = append(v.Flows, FlowView{
			QFI: int(f.qfi), FiveQI: int(f.fiveQI), GBR: f.gbr != nil, Reflective: f.reflective,
			UplinkPackets: t.Uplink.Packets, UplinkOctets: t.Uplink.Bytes, DownlinkPackets: t.Downlink.Packets, DownlinkOctets: t.Downlink.Bytes,
		})
	}
	if s.relay != nil {
		t := s.relay.Stats()
		v.DownlinkTEID = hexDigits(uint64(s.relay.TEID()), 8)
		v.UplinkPackets, v.UplinkOctets, v.DownlinkPackets, v.DownlinkOctets = t.Uplink.Packets, t.Uplink.Bytes, t.Downlink.Packets, t.Downlink.Bytes
		v.Dropped = t.Dropped()
	}
	return v
}

func hexDigits(v uint64, digits int) string {
	s := strconv.FormatUint(v, 16)
	return strings.Repeat("0", max(0, digits-len(s))) + s
}
