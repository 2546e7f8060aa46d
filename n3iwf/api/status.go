// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// Status is the answer to "how is it?".
type Status struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Ready       bool      `json:"ready"` // serves UEs: at least one AMF is connected, and the data plane works
	AMFs        int       `json:"amfsConnected"`
	Configured  int       `json:"amfsConfigured"`
	UEs         int       `json:"ues"`
	HalfOpen    int       `json:"halfOpen"`
	ChildSAs    int       `json:"childSAs"`
	PDUSessions int       `json:"pduSessions"`
	DataPlane   string    `json:"dataPlane"` // user or kernel: who does ESP
	UserPlane   UserPlane `json:"userPlane"`
	Nodes       []int     `json:"nodes"` // other nodes of the cluster that are connected

	// CertificateExpires is the end of the first of the certificates in use towards UEs, ManagementCertificateExpires that of the management API's own.
	CertificateExpires           time.Time `json:"certificateExpires"`
	ManagementCertificateExpires time.Time `json:"managementCertificateExpires,omitzero"`

	Registered uint64  `json:"registered"` // since the start
	Refused    uint64  `json:"refused"`
	Moves      uint64  `json:"moves"`
	Panics     uint64  `json:"panics"`
	Uplink     Traffic `json:"uplink"`
	Downlink   Traffic `json:"downlink"`
	Alarms     []Alarm `json:"alarms"`
}

// UserPlane is who forwards user packets between child SAs and N3.
type UserPlane struct {
	Kind   string `json:"kind"`             // ebpf, programs in the kernel; relay, this process
	Reason string `json:"reason,omitempty"` // why it is not ebpf
	// Of ebpf: the links of N3 that it serves, those of them where it fills in missing UDP checksums, and whether its maps outlive the process
	// (which the UEs do not: their keys go with it).
	N3        []string `json:"n3,omitempty"`
	Checksums []string `json:"checksums,omitempty"`
	Pinned    bool     `json:"pinned,omitempty"`
	// Relayed, of ebpf, are PDU sessions that this process forwards all the same: those with IPv6 on N3 or between the UE and this N3IWF.
	Relayed int `json:"relayed,omitempty"`
	// Left, of ebpf, are packets on its links that it left to this process, signalling among them, by direction and reason.
	Left map[string]map[string]uint64 `json:"left,omitempty"`
}

func userPlane(st n3iwf.UserPlaneStatus, n3 relay.Stats) UserPlane {
	u := UserPlane{Kind: st.Kind, Reason: st.Reason}
	if e := st.EBPF; e != nil {
		u.N3, u.Checksums, u.Pinned, u.Left = e.Links, e.Repairs, e.Pinned, e.HandedUp
		u.Relayed = max(n3.Sessions-n3.Offloaded, 0) // they are counted one after the other
	}
	return u
}

// Traffic are user packets of PDU sessions since the start.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"`
}

// Alarm is something that the operator should look at.
type Alarm struct {
	Severity string `json:"severity"` // critical or warning
	Text     string `json:"text"`
}

const (
	critical = "critical"
	warning  = "warning"
	// expiryWarning is how long before the end of a certificate somebody should know.
	expiryWarning = 30 * 24 * time.Hour
)

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func levelName(l slog.Level) string {
	for name, level := range levels {
		if level == l {
			return name
		}
	}
	return l.String()
}

func (s *Server) status(ctx context.Context) Status {
	st, k, cfg := s.nf.Status(), s.nf.Counters(), s.nf.Config()
	out := Status{
		Name: cfg.N3IWF.Name, Version: s.options.Version, Started: s.started, Ready: unready(st) == "", AMFs: st.AMFs, Configured: len(cfg.N2.AMFs),
		UEs: st.UEs, HalfOpen: st.HalfOpen, ChildSAs: st.ChildSAs, PDUSessions: st.PDUSessions, DataPlane: cfg.DataPlane.Kind,
		UserPlane: userPlane(st.UserPlane, st.N3), Nodes: s.nf.Nodes(),
		Registered: k.Registered.Load(), Refused: k.Refused.Load(), Moves: k.Moves.Load(), Panics: k.Panics.Load(),
		Uplink:   Traffic{st.N3.Uplink.Packets, st.N3.Uplink.Bytes},
		Downlink: Traffic{st.N3.Downlink.Packets, st.N3.Downlink.Bytes},
	}
	out.CertificateExpires = s.nf.CertificateExpires()
	if a := s.onNetwork(); a != nil {
		out.ManagementCertificateExpires = a.expires
	}
	out.Alarms = alarms(&out, st, s.nf.AMFs(ctx), time.Now(), cfg.Limits.MaxUEs)
	if r := s.reload.Load(); r != nil && r.err != nil {
		first, _, _ := strings.Cut(r.err.Error(), "\n")
		out.Alarms = append(out.Alarms, Alarm{warning, "the configuration was not reloaded, the former one stays in use: " + first})
	}
	return out
}

func alarms(out *Status, st n3iwf.Status, amfs []n3iwf.AMFView, now time.Time, maxUEs int) []Alarm {
	list := []Alarm{}
	add := func(severity, format string, args ...any) {
		list = append(list, Alarm{severity, fmt.Sprintf(format, args...)})
	}
	if out.AMFs == 0 {
		add(critical, "no AMF is connected: UEs cannot register")
	} else {
		for _, a := range amfs {
			if !a.Connected {
				add(warning, "AMF %s%v is not connected", a.Host, a.Addresses)
			}
			if a.Refused != "" {
				add(warning, "AMF %s goes by the former n3iwf.name and n3iwf.supportedTAs (%s): correct one side", a.Name, a.Refused)
			}
		}
	}
	if st.DataPlane != nil {
		add(critical, "the data plane is down, user packets are lost: %v", st.DataPlane)
	}
	expiry := func(end time.Time, what, consequence string) {
		switch left := end.Sub(now); {
		case end.IsZero():
		case left <= 0:
			add(critical, "%s has expired: %s", what, consequence)
		case left < expiryWarning:
			add(warning, "%s expires in %d days", what, int(left.Hours()/24))
		}
	}
	expiry(out.CertificateExpires, "the certificate", "UEs refuse it")
	expiry(out.ManagementCertificateExpires, "the certificate of the management API", "clients refuse it")
	for _, p := range st.N3.Peers {
		if p.Down {
			add(critical, "UPF %s does not answer echo requests; it has %d sessions", p.UPF, p.Sessions)
		}
	}
	if out.Panics > 0 {
		add(warning, "%d UEs were dropped because of defects: see the log for the stack, and report it", out.Panics)
	}
	if out.UEs*10 > maxUEs*9 {
		add(warning, "%d of at most %d UEs (limits.maxUEs)", out.UEs, maxUEs)
	}
	return list
}
