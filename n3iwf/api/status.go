// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// Status is the answer to "how is it?".
type Status struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Ready       bool      `json:"ready"` // serves UEs: at least one AMF is connected
	AMFs        int       `json:"amfsConnected"`
	Configured  int       `json:"amfsConfigured"`
	UEs         int       `json:"ues"`
	HalfOpen    int       `json:"halfOpen"`
	ChildSAs    int       `json:"childSAs"`
	PDUSessions int       `json:"pduSessions"`
	DataPlane   string    `json:"dataPlane"` // user or kernel: who does ESP
	UserPlane   UserPlane `json:"userPlane"`
	Nodes       []int     `json:"nodes"` // other nodes of the cluster that are connected

	CertificateExpires time.Time `json:"certificateExpires,omitzero"`

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
	// Of ebpf: the links of N3 that it serves, those of them where it fills in missing UDP checksums, and whether traffic outlives a restart.
	N3        []string `json:"n3,omitempty"`
	Checksums []string `json:"checksums,omitempty"`
	Pinned    bool     `json:"pinned,omitempty"`
}

func userPlane(st n3iwf.UserPlaneStatus) UserPlane {
	u := UserPlane{Kind: st.Kind, Reason: st.Reason}
	if e := st.EBPF; e != nil {
		u.N3, u.Checksums, u.Pinned = e.Links, e.Repairs, e.Pinned
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
	st, k := s.nf.Status(), s.nf.Counters()
	out := Status{
		Name: s.cfg.N3IWF.Name, Version: s.options.Version, Started: s.started, Ready: st.AMFs > 0, AMFs: st.AMFs, Configured: len(s.cfg.N2.AMFs),
		UEs: st.UEs, HalfOpen: st.HalfOpen, ChildSAs: st.ChildSAs, PDUSessions: st.PDUSessions, DataPlane: s.cfg.DataPlane.Kind,
		UserPlane: userPlane(st.UserPlane), Nodes: s.nf.Nodes(),
		Registered: k.Registered.Load(), Refused: k.Refused.Load(), Moves: k.Moves.Load(), Panics: k.Panics.Load(),
		Uplink:   Traffic{st.N3.Uplink.Packets, st.N3.Uplink.Bytes},
		Downlink: Traffic{st.N3.Downlink.Packets, st.N3.Downlink.Bytes},
	}
	out.CertificateExpires = s.certificateExpires()
	out.Alarms = alarms(&out, st, s.nf.AMFs(ctx), time.Now(), s.cfg.Limits.MaxUEs)
	return out
}

// certificateExpires is the end of the first certificate of the chain to end; zero when it cannot be read any more.
func (s *Server) certificateExpires() (first time.Time) {
	chain, _, err := s.cfg.NWu.Certificate.Load()
	if err != nil {
		return first
	}
	for _, c := range chain {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
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
		}
	}
	switch left := out.CertificateExpires.Sub(now); {
	case out.CertificateExpires.IsZero():
		add(warning, "the certificate cannot be read any more")
	case left <= 0:
		add(critical, "the certificate has expired: UEs refuse it")
	case left < expiryWarning:
		add(warning, "the certificate expires in %d days", int(left.Hours()/24))
	}
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
