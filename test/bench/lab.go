// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Ports above 1024, so that the bench needs no privilege.
const (
	ikePort  = 15500
	nattPort = 14500
)

// What all parties agree on.
const (
	mcc, mnc = "001", "01"
	key      = "465b5ce8b199b49faa5f0a2ee238a6bc"
	opc      = "e8ed289deba952e4283b54e88e6183ca"
	dnn      = "internet"
	qfi      = 1
)

// addresses of a run: all in one /24 of 127.0.0.0/8, which is chosen by the process, so that two runs do not meet.
type addresses struct {
	n3iwf, n3iwfCore, core, source netip.Addr
	ue                             [2]netip.Addr // a UE moves from one to the other
}

func addressesOf(pid int) addresses {
	host := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, byte(64 + pid>>8%64), byte(pid), n}) }
	return addresses{n3iwf: host(1), n3iwfCore: host(2), core: host(3), source: host(4), ue: [2]netip.Addr{host(5), host(6)}}
}

// lab is what the N3IWF works with: its files, and the core.
type lab struct {
	dir  string
	addr addresses
	core *core.Core
}

// newLab writes the N3IWF's files and starts the core.
func newLab() (l *lab, err error) {
	l = &lab{addr: addressesOf(os.Getpid())}
	if l.dir, err = os.MkdirTemp("", "n3iwf-bench-"); err != nil {
		return nil, err
	}
	if err := l.configure(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.dir))
	}
	cfg, err := core.LoadConfig(filepath.Join(l.dir, "core.yaml"))
	if err == nil {
		l.core, err = core.New(cfg, quiet)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.dir))
	}
	return l, nil
}

// quiet is the log of the load generators, whose errors come as errors.
var quiet = slog.New(slog.DiscardHandler)

// configure writes a certificate and the configurations. Everything that costs the N3IWF time is as it is by default, but for this: all UEs
// come from two addresses, which the limits per address would not allow, and every move is proven anew.
func (l *lab) configure() error {
	if err := writeCertificate(l.dir); err != nil {
		return err
	}
	files := map[string]string{
		"n3iwf.yaml": fmt.Sprintf(`n3iwf:
  name: bench-n3iwf
  supportedTAs:
    - tac: "000001"
      plmns: [{plmn: {mcc: "%s", mnc: "%s"}, slices: [{sst: 1}]}]
nwu:
  addresses: ["%s"]
  ikePort: %d
  nattPort: %d
  certificate: {chain: n3iwf.pem, key: n3iwf.key}
  uePools: {ipv4: [10.60.0.0/16]}
  ike: {halfOpen: {exemptPrefixes: [127.0.0.0/8]}}
  mobike: {provenFor: 0s, movesPerMinute: 0}
n2:
  amfs: [{addresses: ["%s"]}]
  localAddresses: ["%s"]
  backOff: {initial: 200ms, max: 1s}
n3:
  addresses: ["%s"]
`, mcc, mnc, l.addr.n3iwf, ikePort, nattPort, l.addr.core, l.addr.n3iwfCore, l.addr.n3iwfCore),
		"core.yaml": fmt.Sprintf(`name: bench-amf
mcc: "%s"
mnc: "%s"
amfId: cafe00
tac: "000001"
listen: "%s:38412"
upf: %s
pool: 10.45.0.0/16
slices: [{sst: 1}]
dnns: [{name: %s, flows: [{qfi: %d, 5qi: 9}]}]
subscribers: [{imsi: "%s", k: %s, opc: %s}]
anySubscriber: true
`, mcc, mnc, l.addr.core, l.addr.core, dnn, qfi, imsi(0), key, opc),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// newFleet opens the sockets for so many UEs. Each of the first ones has a port of its own, so that packets to two of them have nothing in common.
func newFleet(l *lab, count, own int) (*fleet.Fleet, error) {
	o := fleet.Options{
		N3IWF: l.addr.n3iwf, IKEPort: ikePort, NATTPort: nattPort, LocalIKE: ikePort, Count: count, OwnPorts: own, MCC: mcc, MNC: mnc, DNN: dnn,
		Places: [2]netip.AddrPort{netip.AddrPortFrom(l.addr.ue[0], nattPort), netip.AddrPortFrom(l.addr.ue[1], nattPort)},
		Slice:  nas.SNSSAI{SST: 1}, Profile: suite.Default(), AwaitCheck: true,
	}
	// The same cipher as that of the raw rate which the user plane is compared with.
	o.Profile.ESP = []message.Proposal{{Protocol: message.ProtocolESP, Transforms: []message.Transform{
		suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}.Transform(), {Type: message.TransformESN, ID: 1},
	}}}
	for _, k := range []struct {
		text string
		to   *[16]byte
	}{{key, &o.Key.K}, {opc, &o.Key.OPc}} {
		if _, err := hex.Decode(k.to[:], []byte(k.text)); err != nil {
			return nil, err
		}
	}
	return fleet.New(o)
}

// close ends the core and removes all files.
func (l *lab) close() error { return errors.Join(l.core.Close(), os.RemoveAll(l.dir)) }

// imsi of the UE of that number.
func imsi(n int) string { return fmt.Sprintf("%s%s%010d", mcc, mnc, n) }
