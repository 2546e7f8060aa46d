// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// relay is a relay UE's process.
type relay struct {
	*process
	name   string
	prefix netip.Prefix
}

// relayState is what it tells of itself.
type relayState struct {
	Address  netip.Addr   `json:"address"`
	Prefix   netip.Prefix `json:"prefix"`
	Up, Down uint64
}

func relayIMSI(i int) string { return fmt.Sprintf("00101%010d", i+2) }

// core are the lines of the core's configuration by which PDU sessions reach the N3IWF.
func (r *relayPlan) core(wanted bool, n3iwf [2]netip.Addr) string {
	if !wanted {
		return ""
	}
	nat := ""
	if r.nat != "" {
		nat = fmt.Sprintf(", nat: [%q]", r.nat)
	}
	return fmt.Sprintf("pool6: \"%s\"\nn6: {hosts: [\"%s/32\", \"%s/128\"]%s}\n", pool6, n3iwf[0], n3iwf[1], nat)
}

func (r *relayPlan) subscribers(wanted bool) (lines string) {
	for i := range hostRelays {
		if wanted {
			lines += fmt.Sprintf("  - {imsi: %q, k: %s, opc: %s}\n", relayIMSI(i), key, opc)
		}
	}
	return lines
}

// configure makes the UE a remote one, and adds the relays' files.
func (r *relayPlan) configure(files map[string]string, p plan) {
	files["ue.yaml"] = p.ueConfig(r.remote[0], r.pc5[0], imsi)
	for i, host := range hostRelays {
		files[host+".yaml"] = p.ueConfig(r.outer[i], r.n3iwf, relayIMSI(i))
	}
	// What unauthenticated peers may cost is no concern behind relays, which many remote UEs share.
	files["n3iwf.yaml"] = strings.Replace(files["n3iwf.yaml"], "\n  esp: {", fmt.Sprintf("\n  ike: {halfOpen: {exemptPrefixes: [%s]}}\n  esp: {", r.pool), 1)
}

// startRelays starts both, registers them, and gives the remote UE its address of the second one's prefix.
func (d *demo) startRelays(ctx context.Context) (string, error) {
	p := d.plan
	var details []string
	for i, host := range hostRelays {
		links := []string{
			"--link", fmt.Sprintf("%s=%s", netip.AddrPortFrom(p.relays.pc5[i], p.ike), netip.AddrPortFrom(p.n3iwf[0], p.ike)),
			"--link", fmt.Sprintf("%s=%s", netip.AddrPortFrom(p.relays.pc5[i], p.natt), netip.AddrPortFrom(p.n3iwf[0], p.natt)),
		}
		if i == 1 {
			links = append(links, "--link", fmt.Sprintf("%s=%s", p.relays.listen6, netip.AddrPortFrom(p.n3iwf[1], p.natt)))
		}
		process, err := start(d.Dir, host, true, d.eventOf(host), d.net.wrap(host, append([]string{d.lab, "relay", "--control", "-c", host + ".yaml"}, links...)...)...)
		if err != nil {
			return "", err
		}
		r := &relay{process: process, name: host}
		d.relays = append(d.relays, r)
		limited, cancel := context.WithTimeout(ctx, callPatience)
		var s relayState
		err = r.call(limited, "start", nil, &s)
		cancel()
		if err != nil {
			return "", err
		}
		r.prefix = s.Prefix
		details = append(details, fmt.Sprintf("%s: PDU session %s, prefix %s", host, s.Address, s.Prefix))
	}
	var err error
	d.plan.ipv6, err = d.net.delegated(d.relays[1].prefix)
	return strings.Join(details, "; "), err
}

// relaySteps are the moves of a remote UE.
func (d *demo) relaySteps(ctx context.Context) []step {
	p := d.plan.relays
	n3iwf := d.plan.n3iwf[0]
	at := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, d.plan.natt) }
	return []step{
		{"move: relay to relay", func() (string, error) { return d.move(ctx, report.MoveRelay, p.remote[1], at(p.pc5[1])) }},
		{"move: relay to own WLAN", func() (string, error) { return d.move(ctx, report.MoveWLAN, d.plan.first, at(n3iwf)) }},
		{"move: own WLAN to relay", func() (string, error) { return d.move(ctx, report.MoveRelay, p.remote[0], at(p.pc5[0])) }},
		{"move: other port of relay", func() (string, error) { return d.move(ctx, report.MovePort, netip.Addr{}, netip.AddrPort{}) }},
		{"move: NAT to IPv6 prefix", func() (string, error) { return d.move(ctx, report.MoveIPv6, d.plan.ipv6, p.listen6) }},
		{"move: IPv6 prefix to NAT", func() (string, error) { return d.move(ctx, report.MoveIPv4, p.remote[0], at(p.pc5[0])) }},
	}
}

// relaysLeave puts what the relays have done into the report, and deregisters them.
func (d *demo) relaysLeave(ctx context.Context) (string, error) {
	limited, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	var details []string
	for _, r := range d.relays {
		var s relayState
		if err := r.call(limited, "state", nil, &s); err != nil {
			return "", err
		}
		if s.Up == 0 || s.Down == 0 {
			return "", fmt.Errorf("%s has forwarded %d packets up and %d down", r.name, s.Up, s.Down)
		}
		d.report.Relays = append(d.report.Relays, report.Relay{Name: r.name, Address: s.Address.String(), Prefix: s.Prefix.String(), Up: s.Up, Down: s.Down})
		details = append(details, fmt.Sprintf("%s forwarded %d packets up, %d down", r.name, s.Up, s.Down))
		if err := r.call(limited, "deregister", nil, nil); err != nil {
			return "", err
		}
	}
	return strings.Join(details, "; "), nil
}
