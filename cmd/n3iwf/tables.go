// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

var errNotReady = errors.New("it does not serve UEs: no AMF is connected")

// table prints aligned columns: a head, then rows.
func table(w io.Writer, head string, rows func(row func(cells ...any))) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(strings.Fields(head), "\t"))
	rows(func(cells ...any) {
		text := make([]string, len(cells))
		for i, c := range cells {
			if text[i] = fmt.Sprint(c); text[i] == "" {
				text[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(text, "\t"))
	})
	_ = t.Flush() // of a buffer in memory and the terminal
}

func showStatus(w io.Writer, s api.Status) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("name", "%s", s.Name)
	line("version", "%s", s.Version)
	line("up for", "%s", age(s.Started))
	line("AMFs", "%d of %d connected", s.AMFs, s.Configured)
	line("UEs", "%d, of them %d not authenticated yet", s.UEs, s.HalfOpen)
	line("PDU sessions", "%d", s.PDUSessions)
	line("child SAs", "%d", s.ChildSAs)
	line("ESP", "%s", map[bool]string{true: "in the kernel", false: "in this process"}[s.DataPlane == "kernel"])
	line("user packets", "%s", forwardedBy(s.UserPlane))
	line("since start", "%d registered, %d refused, %d moves", s.Registered, s.Refused, s.Moves)
	line("uplink", "%d packets, %s", s.Uplink.Packets, octets(s.Uplink.Octets))
	line("downlink", "%d packets, %s", s.Downlink.Packets, octets(s.Downlink.Octets))
	if !s.CertificateExpires.IsZero() {
		line("certificate", "until %s", s.CertificateExpires.Format(time.DateOnly))
	}
	for _, a := range s.Alarms {
		line(strings.ToUpper(a.Severity), "%s", a.Text)
	}
	_ = t.Flush()
}

// forwardedBy tells who forwards user packets, and why not somebody faster.
func forwardedBy(u api.UserPlane) string {
	if u.Kind != "ebpf" {
		return "relayed by this process: " + u.Reason
	}
	text := "forwarded in the kernel (eBPF), N3 on " + strings.Join(u.N3, ", ")
	if len(u.Checksums) > 0 {
		text += "; checksums filled in on " + strings.Join(u.Checksums, ", ")
	}
	if u.Relayed > 0 {
		text += fmt.Sprintf("; PDU sessions relayed by this process, as all with IPv6 are: %d", u.Relayed)
	}
	return text
}

func showUEs(w io.Writer, p n3iwf.UEPage) {
	table(w, "UE STATE OUTER NAT INNER SESSIONS SAS MOVES AMF SINCE", func(row func(...any)) {
		for _, u := range p.UEs {
			row(u.ID, u.State, u.Remote, yes(u.BehindNAT), addresses(u.Inner), numbers(u.PDUSessions), u.ChildSAs, u.Moves, u.AMF, age(u.Since))
		}
	})
	if shown := len(p.UEs); shown < p.Matched {
		fmt.Fprintf(w, "%d to %d of %d; --offset and --limit show others\n", p.Offset+1, p.Offset+shown, p.Matched)
	}
}

func showUE(w io.Writer, u n3iwf.UEDetail) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("UE", "%d, %s for %s", u.ID, u.State, age(u.Since))
	amf := "-"
	if u.AMFUENGAPID != nil {
		amf = fmt.Sprint(*u.AMFUENGAPID)
	}
	line("AMF", "%s, AMF-UE-NGAP-ID %s", u.AMF, amf)
	line("path of IKE", "%s - %s", u.Local, u.Remote)
	line("path of SAs", "%s%s", u.IKE.ChildPath, map[bool]string{true: " (not proven yet)"}[u.IKE.Unproven])
	line("IKE SA", "%s %s %s", u.IKE.InitiatorSPI, u.IKE.ResponderSPI, u.IKE.Algorithms)
	line("MOBIKE", "%s, %d moves", yes(u.MOBIKE), u.Moves)
	line("inner", "%s", addresses(u.Inner))
	line("last heard", "%s ago", age(u.LastHeard))
	_ = t.Flush()
	fmt.Fprintln(w)
	table(w, "SINCE HOW PATH NAT TOOK LOST ANSWERED", func(row func(...any)) {
		for _, p := range u.Paths {
			row(p.At.Format(time.DateTime), p.Why, p.Path, yes(p.NAT), p.Took.Round(100*time.Microsecond), p.Lost, yes(p.Proven))
		}
	})
	fmt.Fprintln(w)
	showSAs(w, u.SAs)
	fmt.Fprintln(w)
	table(w, "SESSION TYPE SLICE UPF TEID-UP TEID-DOWN UPLINK DOWNLINK DROPPED", func(row func(...any)) {
		for _, s := range u.Sessions {
			row(s.ID, s.Type, s.SNSSAI, s.UPF, s.UplinkTEID, s.DownlinkTEID, octets(s.UplinkOctets), octets(s.DownlinkOctets), s.Dropped)
		}
	})
	fmt.Fprintln(w)
	table(w, "SESSION QFI 5QI GBR UPLINK DOWNLINK", func(row func(...any)) {
		for _, s := range u.Sessions {
			for _, f := range s.Flows {
				row(s.ID, f.QFI, f.FiveQI, yes(f.GBR), octets(f.UplinkOctets), octets(f.DownlinkOctets))
			}
		}
	})
}

func showSAs(w io.Writer, list []n3iwf.SAView) {
	table(w, "UE PURPOSE SPI-IN SPI-OUT IN OUT SEQ-OUT DROPPED MOVES ALGORITHMS", func(row func(...any)) {
		for _, s := range list {
			purpose := s.Purpose
			if !s.Current {
				purpose += " (older)"
			}
			row(s.UE, purpose, s.InboundSPI, s.OutboundSPI, s.InPackets, s.OutPackets, s.OutboundSequence, s.Dropped+s.Unsent, s.Moves, s.Algorithms)
		}
	})
}

func showAMFs(w io.Writer, list []n3iwf.AMFView) {
	table(w, "AMF ADDRESSES STATE SINCE CAPACITY UES GUAMIS", func(row func(...any)) {
		for _, a := range list {
			state := "no connection"
			if a.Connected {
				state = "connected"
			}
			row(a.Name, fmt.Sprintf("%s%s:%d", a.Host, addresses(a.Addresses), a.Port), state, age(a.Since), a.Capacity, a.UEs, strings.Join(a.GUAMIs, ","))
		}
	})
}

func yes(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

func addresses(list []netip.Addr) string {
	text := make([]string, len(list))
	for i, a := range list {
		text[i] = a.String()
	}
	return strings.Join(text, ",")
}

func numbers(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

func age(since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return time.Since(since).Round(time.Second).String()
}

func octets(n uint64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
