// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"

	"github.com/open-n3iwf/n3iwf/gre/ebpf"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
)

// Who forwards user packets between child SAs and N3.
const (
	userPlaneEBPF  = "ebpf"
	userPlaneRelay = "relay"
)

// userPlane is the one that was chosen.
type userPlane struct {
	kernel *ebpf.UserPlane // nil: only the relay
	reason string          // why the relay alone
	clear  func()          // takes away what others have left in the kernel; nil: nobody can have left anything
}

// UserPlaneStatus tells who forwards user packets, and what the programs in the kernel do.
type UserPlaneStatus struct {
	Kind   string // ebpf or relay
	Reason string // why not ebpf
	EBPF   *ebpf.Status
}

// wantsEBPF tells whether programs in the kernel may come to send through SAs. The data plane has to know that before it is made.
func (nf *N3IWF) wantsEBPF() bool {
	switch nf.live().DataPlane.UserPlane {
	case userPlaneEBPF:
		return true
	case userPlaneRelay:
		nf.userPlane.reason = "configured"
		return false
	}
	if err := ebpf.Probe(); err != nil {
		nf.userPlane.reason = err.Error()
		return false
	}
	return true
}

// keptInKernel refuses to go on by the relay where a predecessor forwards in the kernel and this process cannot, unless that is configured: an upgrade that
// makes user packets slow is not to happen unseen.
func (nf *N3IWF) keptInKernel() error {
	why := nf.userPlane.reason
	if why == "" || nf.heir == nil || nf.heir.will.UserPlane != userPlaneEBPF || nf.live().DataPlane.UserPlane == userPlaneRelay {
		return nil
	}
	return fmt.Errorf("the running process forwards user packets in the kernel, and this one cannot (%s): mend that, or let it forward them itself (dataPlane.userPlane: relay)", why)
}

// openUserPlane puts the programs into the kernel, if they are wanted and it can.
func (nf *N3IWF) openUserPlane() error {
	p, c := &nf.userPlane, nf.live().DataPlane
	d, ok := nf.dataPlane.(*kernel.DataPlane)
	if !ok {
		p.reason = "ESP is in this process"
		return nil
	}
	if p.reason == "" {
		u, err := nf.loadUserPlane(d)
		switch {
		case err == nil:
			p.kernel = u
			if nf.heir == nil { // UEs of an earlier process are gone with its keys
				if err := u.Sweep(); err != nil {
					return err
				}
			}
			d.Use(u)
			nf.relay.Offload(u)
			st := u.Status()
			nf.log.Info("user packets are forwarded in the kernel", slog.Any("n3", st.Links), slog.Any("checksums_filled_in", st.Repairs))
			return nil
		case c.UserPlane == userPlaneEBPF:
			return err
		}
		p.reason = err.Error()
		if err := nf.keptInKernel(); err != nil {
			return err
		}
	}
	nf.log.Info("user packets are forwarded in this process, not in the kernel", slog.String("reason", p.reason))
	p.clear = func() {
		if err := ebpf.Remove(nf.ebpfOptions(d)); err != nil {
			nf.log.Warn("programs that an earlier process may have left in the kernel", slog.Any("error", err))
		}
	}
	if nf.heir == nil { // a predecessor may go on
		p.clear()
	}
	return nil
}

func (nf *N3IWF) ebpfOptions(d *kernel.DataPlane) ebpf.Options {
	id := nf.live().DataPlane.InterfaceID
	o := ebpf.Options{XfrmInterface: d.Interface(), ID: id, Child: d.Marking, Log: nf.log, Pin: fmt.Sprintf("/sys/fs/bpf/n3iwf/%d", id)}
	for _, local := range nf.relay.LocalAddr() {
		o.N3 = append(o.N3, local.Addr())
	}
	return o
}

func (nf *N3IWF) loadUserPlane(d *kernel.DataPlane) (*ebpf.UserPlane, error) {
	for _, local := range nf.relay.LocalAddr() {
		if local.Port() != gtpu.Port {
			return nil, fmt.Errorf("n3.port is %d: the programs know only %d", local.Port(), gtpu.Port)
		}
	}
	return ebpf.Open(nf.ebpfOptions(d))
}

func (p *userPlane) status() UserPlaneStatus {
	if p.kernel == nil {
		return UserPlaneStatus{Kind: userPlaneRelay, Reason: p.reason}
	}
	st := p.kernel.Status()
	return UserPlaneStatus{Kind: userPlaneEBPF, EBPF: &st}
}

// close ends it; leave lets the programs go on for another process.
func (p *userPlane) close(leave bool) error {
	switch {
	case p.kernel == nil:
		return nil
	case leave:
		return p.kernel.Leave()
	}
	return p.kernel.Close()
}
