// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// defaulted fills in what was left out and checks the rest.
func (o Options) defaulted() (Options, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if o.OutboundStreams == 0 {
		o.OutboundStreams = 16
	}
	if o.MaxInboundStreams == 0 {
		o.MaxInboundStreams = 64
	}
	dur(&o.HeartbeatInterval, 5*time.Second)
	def(&o.HeartbeatMisses, 3)
	dur(&o.RTOInitial, time.Second)
	dur(&o.RTOMin, 500*time.Millisecond)
	dur(&o.RTOMax, 5*time.Second)
	def(&o.InitAttempts, 8)
	dur(&o.ShutdownTimeout, 5*time.Second)
	def(&o.MaxMessageSize, 256<<10)
	def(&o.ReceiveBuffer, 1<<20)
	def(&o.SendBuffer, 1<<20)
	def(&o.MTU, 1228)
	def(&o.MaxAssociations, 1024)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	for _, list := range [][]netip.AddrPort{o.Local, o.Remote} {
		for _, a := range list {
			if !a.Addr().IsValid() || a.Port() != list[0].Port() {
				return o, fmt.Errorf("SCTP address list %v: every entry needs a valid address and the same port", list)
			}
		}
	}
	switch {
	case o.Mode > ModeRaw:
		return o, fmt.Errorf("unknown SCTP mode %d", o.Mode)
	case o.MTU < 512 || o.MTU > engineMTU:
		return o, fmt.Errorf("SCTP MTU %d: must be 512 to %d", o.MTU, engineMTU)
	case o.MaxInboundStreams == 0xffff:
		return o, errors.New("SCTP inbound streams: at most 65534")
	case o.RTOMin > o.RTOInitial || o.RTOInitial > o.RTOMax || o.RTOMin < 0:
		return o, errors.New("SCTP timeouts: need RTOMin <= RTOInitial <= RTOMax")
	case o.HeartbeatInterval < 0 || o.HeartbeatMisses < 1 || o.InitAttempts < 1 || o.ShutdownTimeout < 0 ||
		o.MaxMessageSize < 1 || o.ReceiveBuffer < 1 || o.SendBuffer < 1 || o.MaxAssociations < 1:
		return o, errors.New("SCTP options must not be negative")
	}
	o.MTU &^= 3 // the engine adds padding on top
	o.ReceiveBuffer = engineBuffer(o.ReceiveBuffer)
	return o, nil
}

// mode settles ModeAuto and says so.
func (o Options) mode() Mode {
	if o.Mode != ModeAuto {
		return o.Mode
	}
	if err := ProbeKernel(); err != nil {
		o.Logger.Info("SCTP: using user-space SCTP over UDP, as the kernel's cannot be used", "mode", ModeUDP, "reason", err)
		return ModeUDP
	}
	o.Logger.Info("SCTP: using the kernel's", "mode", ModeKernel)
	return ModeKernel
}

// Dial opens an association with one of the peer's addresses. An association
// that cannot be made is a *LossError.
func Dial(ctx context.Context, o Options) (Association, error) {
	o, err := o.defaulted()
	if err != nil {
		return nil, err
	}
	if len(o.Remote) == 0 {
		return nil, errors.New("SCTP dial: no remote address given")
	}
	port := o.Remote[0].Port()
	if port == 0 {
		port = Port
	}
	if o.Mode = o.mode(); o.Mode == ModeKernel {
		return dialKernel(ctx, o, port)
	}
	var remotes []netip.AddrPort
	for _, r := range o.Remote {
		udp := uint16(0)
		if o.Mode == ModeUDP {
			udp = uint16(o.RemoteUDPPort)
			if udp == 0 {
				udp = UDPEncapsulationPort
			}
		}
		remotes = append(remotes, netip.AddrPortFrom(r.Addr().Unmap(), udp))
	}
	local := netip.AddrPortFrom(unspecified(o.Mode, remotes[0].Addr()), 0)
	if len(o.Local) > 0 {
		local = o.Local[0]
	}
	if local.Port() == 0 { // IANA's dynamic ports
		local = netip.AddrPortFrom(local.Addr(), 49152+uint16(randomUint32()%16384))
	}
	if o.UDPPort == 0 {
		o.UDPPort = EphemeralPort
	}
	w, err := openWire(o.Mode, local.Addr().Unmap(), o.UDPPort)
	if err != nil {
		return nil, fmt.Errorf("SCTP (%s) socket on %s: %w", o.Mode, local.Addr(), err)
	}
	a, err := dialUser(ctx, newEndpoint(w, o.Mode, local.Port(), o, false), remotes, port)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// unspecified is the wildcard address to bind for a peer.
func unspecified(m Mode, peer netip.Addr) netip.Addr {
	if m == ModeUDP || peer.Is6() {
		return netip.IPv6Unspecified() // a UDP socket on it takes IPv4 too
	}
	return netip.IPv4Unspecified()
}

func openWire(m Mode, local netip.Addr, udpPort int) (wire, error) {
	if m == ModeRaw {
		w, err := openRaw(local)
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	w, err := openUDP(netip.AddrPortFrom(local, uint16(max(udpPort, 0))))
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Listen waits for associations. Without Local it takes every address, in
// ModeRaw every IPv4 address.
func Listen(o Options) (Listener, error) {
	o, err := o.defaulted()
	if err != nil {
		return nil, err
	}
	port := uint16(Port)
	if len(o.Local) > 0 && o.Local[0].Port() != 0 {
		port = o.Local[0].Port()
	}
	if o.Mode = o.mode(); o.Mode == ModeKernel {
		return listenKernel(o, port)
	}
	local := unspecified(o.Mode, netip.IPv4Unspecified())
	if len(o.Local) > 0 {
		local = o.Local[0].Addr().Unmap()
	}
	if o.UDPPort == 0 {
		o.UDPPort = UDPEncapsulationPort
	}
	w, err := openWire(o.Mode, local, o.UDPPort)
	if err != nil {
		return nil, fmt.Errorf("SCTP (%s) listener on %s: %w", o.Mode, local, err)
	}
	return &userListener{ep: newEndpoint(w, o.Mode, port, o, true), done: make(chan struct{})}, nil
}
