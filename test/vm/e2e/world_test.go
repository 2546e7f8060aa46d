// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// world is three hosts: UEs, one with N3IWFs that are processes, and the core. Two links carry N2, a third one N3.
//
//	ue 10.9.0.101.. -- nwu -- 10.9.0.1.. gw 10.1.0.1.. -- n2a -- 10.1.0.100 core
//	                                     10.2.0.1.. -- n2b -- 10.2.0.100
//	                                     10.3.0.1.. -- n3  -- 10.3.0.100
type world struct {
	t            *testing.T
	dir          string
	wlan, gw, cn *host
	core         *core.Core
	setups       chan struct{} // one for each NG Setup Request
	log          *output
	// Of the core: the UE-AMBR in Mbit/s and the flows of a PDU session.
	ambr  int
	flows string
}

const (
	coreSite = 100
	ueSite   = 101
	amfName  = "lab-amf"
	patience = time.Minute // of every wait; no test needs it when all is well
	subKey   = "465b5ce8b199b49faa5f0a2ee238a6bc"
	subOPc   = "e8ed289deba952e4283b54e88e6183ca"
)

var dn = netip.MustParseAddr("192.0.2.1") // in the data network

// Networks of the world, by the second octet.
const (
	netN2a = 1
	netN2b = 2
	netN3  = 3
	netNWu = 9
)

func at(network, site int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(network), 0, byte(site)})
}

func imsi(i int) string { return fmt.Sprintf("00101%010d", i) }

// newWorld makes the hosts, with addresses for that many N3IWFs, and writes certificates.
func newWorld(t *testing.T, n3iwfs int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), log: &output{}, setups: make(chan struct{}, 16), ambr: 1000, flows: "{qfi: 1, 5qi: 9}"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log:\n%s", w.log.tail(32<<10))
		}
	})
	w.wlan, w.gw, w.cn = newHost(t, "ue"), newHost(t, "gw"), newHost(t, "core")
	for _, l := range []struct {
		name    string
		network int
		peer    *host
		sites   []int
	}{
		{"nwu", netNWu, w.wlan, []int{ueSite, ueSite + 1}}, {"n2a", netN2a, w.cn, []int{coreSite}},
		{"n2b", netN2b, w.cn, []int{coreSite}}, {"n3", netN3, w.cn, []int{coreSite}},
	} {
		w.gw.ip(t, fmt.Sprintf("link add %s type veth peer name %s netns %s", l.name, l.name, l.peer.name))
		for i := range n3iwfs {
			w.gw.ip(t, fmt.Sprintf("addr add %s/24 dev %s", at(l.network, 1+i), l.name))
		}
		for _, site := range l.sites {
			l.peer.ip(t, fmt.Sprintf("addr add %s/24 dev %s", at(l.network, site), l.name))
		}
		w.gw.ip(t, "link set "+l.name+" up")
		l.peer.ip(t, "link set "+l.name+" up")
	}
	w.certificate()
	return w
}

// certificate makes the self-signed one of all N3IWFs. The UEs do not check it: they trust the key of the core.
func (w *world) certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "n3iwf.lab.example"}, DNSNames: []string{"n3iwf.lab.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(w.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w.t, err)
	w.write("n3iwf.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	w.write("n3iwf.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

func (w *world) write(name, text string) string {
	file := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// startCore starts AMF, SMF and UPF. N2 has two addresses, one on each link, and the kernel's SCTP.
func (w *world) startCore() {
	w.t.Helper()
	var subscribers strings.Builder
	for i := range 4 {
		fmt.Fprintf(&subscribers, "  - {imsi: %q, k: %s, opc: %s}\n", imsi(i), subKey, subOPc)
	}
	cfg, err := core.LoadConfig(w.write("core.yaml", fmt.Sprintf(`name: %s
mcc: "001"
mnc: "01"
tac: "000001"
listen: "%s:38412"
homes: [%s]
transport: kernel
heartbeat: 500ms
retain: true
upf: %s
pool: 10.45.0.0/24
ciphering: true
ambr: %d
slices: [{sst: 1}]
dnns: [{name: internet, flows: [%s]}]
subscribers:
%s`, amfName, at(netN2a, coreSite), at(netN2b, coreSite), at(netN3, coreSite), w.ambr, w.flows, subscribers.String())))
	require.NoError(w.t, err)
	w.cn.do(func() { w.core, err = core.New(cfg, w.logger("core")) })
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = w.core.Close() }) // again, where the test has done it
	w.core.Watch(w.watch)
}

func (w *world) logger(who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, nil)).With("who", who)
}

// socket is where the management API of an N3IWF is.
func (w *world) socket(i int) string { return filepath.Join(w.dir, fmt.Sprintf("api%d.sock", i)) }

// nf is an N3IWF as a process.
type nf struct {
	cmd    *exec.Cmd
	file   string
	config string
	open   bool // the configuration may be read by everybody
	text   *output
}

// startN3IWF starts the one of that number, from 0 on, and waits until the AMF has it.
func (w *world) startN3IWF(i int, change ...func(*nf)) *nf {
	w.t.Helper()
	n := w.launch(i, change...)
	w.until("NG Setup of the N3IWF", func() bool { return n.text.has("NG connection is up") })
	return n
}

// launch starts the process, and no more.
func (w *world) launch(i int, change ...func(*nf)) *nf {
	w.t.Helper()
	n := &nf{text: &output{}}
	n.config = fmt.Sprintf(`n3iwf:
  globalN3IWFID: {id: %d}
  name: n3iwf-%d
  supportedTAs: [{tac: "000001", plmns: [{plmn: {mcc: "001", mnc: "01"}}]}]
nwu:
  addresses: ["%s"]
  identity: n3iwf.lab.example
  certificate: {chain: n3iwf.pem, key: n3iwf.key}
  uePools: {ipv4: [10.60.%d.0/24]}
n2:
  amfs: [{addresses: ["%s", "%s"]}]
  localAddresses: ["%s", "%s"]
  transport: kernel
  backOff: {initial: 100ms, max: 500ms}
  sctp: {rtoMin: 200ms, rtoInitial: 300ms, rtoMax: 500ms, heartbeat: 500ms}
n3:
  addresses: ["%s"]
dataPlane: {kind: kernel, interfaceID: %d}
management: {socket: %s}
`, 135+i, i, at(netNWu, 1+i), i, at(netN2a, coreSite), at(netN2b, coreSite), at(netN2a, 1+i), at(netN2b, 1+i), at(netN3, 1+i), 1+i,
		w.socket(i))
	n.file = filepath.Join(w.dir, fmt.Sprintf("n3iwf%d.yaml", i))
	n.cmd = exec.Command("n3iwf", "run", "-c", n.file)
	n.cmd.Stdout, n.cmd.Stderr = n.text, n.text
	for _, f := range change {
		f(n)
	}
	w.write(filepath.Base(n.file), n.config)
	if n.open {
		require.NoError(w.t, os.Chmod(n.file, 0o644))
	}
	var err error
	w.gw.do(func() { err = n.cmd.Start() })
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		_ = n.cmd.Process.Kill() // it is dead already, where the test has killed it
		_ = n.cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("the end of the log of N3IWF %d:\n%s", i, n.text.tail(16<<10))
		}
	})
	return n
}

// online registers a UE at an N3IWF, brings a PDU session up and pings. Its ESP is in this process.
func (w *world) online(i, n3iwf int) (*ue.UE, *probe.Probe) {
	w.t.Helper()
	u, s := w.connect(i, n3iwf)
	p := probe.New(u, s, dn)
	require.NoError(w.t, w.within(func(ctx context.Context) error { _, err := p.Ping(ctx, 2); return err }))
	return u, p
}

// connect registers a UE at an N3IWF and brings a PDU session up.
func (w *world) connect(i, n3iwf int, change ...func(*ue.Options)) (*ue.UE, *ue.Session) {
	w.t.Helper()
	key := func(s string) (b [16]byte) {
		_, err := hex.Decode(b[:], []byte(s))
		require.NoError(w.t, err)
		return b
	}
	o := ue.Options{
		Subscriber: ue.Subscriber{
			IMSI: imsi(i), MCC: "001", MNC: "01", Key: milenage.Subscriber{K: key(subKey), OPc: key(subOPc)}, Ciphering: true, Slices: []nas.SNSSAI{{SST: 1}},
		},
		Local: at(netNWu, ueSite), N3IWF: at(netNWu, 1+n3iwf), LocalIKE: uint16(5000 + 2*i), LocalNATT: uint16(5001 + 2*i), Logger: w.logger(imsi(i)),
	}
	for _, f := range change {
		f(&o)
	}
	var u *ue.UE
	var err error
	w.wlan.do(func() { u, err = ue.New(o) })
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = u.Close() })
	require.NoError(w.t, w.within(u.Register))
	var s *ue.Session
	require.NoError(w.t, w.within(func(ctx context.Context) (err error) {
		s, err = u.EstablishSession(ctx, 1, "internet", &nas.SNSSAI{SST: 1})
		return err
	}))
	// The UE may hear of its session before the UPF knows where to send.
	w.until("the downlink tunnel", func() bool {
		for _, c := range w.core.State().UEs {
			for _, p := range c.Sessions {
				if p.Address == s.Address().String() && p.DownlinkTEID != 0 {
					return true
				}
			}
		}
		return false
	})
	return u, s
}

// nasWorks has a PDU session set up and released: a handful of NAS messages each way, and NGAP's own.
func (w *world) nasWorks(u *ue.UE) {
	w.t.Helper()
	require.NoError(w.t, w.within(func(ctx context.Context) error {
		_, err := u.EstablishSession(ctx, 2, "internet", &nas.SNSSAI{SST: 1})
		return err
	}))
	require.NoError(w.t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 2) }))
}

// within bounds a call.
func (w *world) within(call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return call(ctx)
}

// until waits for a state that others bring about.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	require.Eventually(w.t, is, patience, 10*time.Millisecond, what)
}

// traffic sends echo requests until the function that it gives is called, which tells how many were sent and how many have not come back.
func (w *world) traffic(p *probe.Probe) (end func() (sent, lost int)) { return w.trafficAt(p, 50) }

// trafficAt is traffic with that many requests a second.
func (w *world) trafficAt(p *probe.Probe, rate int) (end func() (sent, lost int)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx, rate, 200) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
	missing := func() (n int) {
		for _, q := range p.Packets() {
			if q.Back == 0 {
				n++
			}
		}
		return n
	}
	return func() (sent, lost int) {
		cancel()
		running.Wait()
		for late := time.Now().Add(10 * time.Second); missing() > 0 && time.Now().Before(late); {
			time.Sleep(20 * time.Millisecond)
		}
		return len(p.Packets()), missing()
	}
}

// output is a log.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) tail(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.b.Bytes()
	return string(b[max(0, len(b)-n):])
}

// has tells whether a line has all the words.
func (o *output) has(words ...string) bool { return o.count(words...) > 0 }

// count counts the lines that have all the words.
func (o *output) count(words ...string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
lines:
	for line := range strings.Lines(o.b.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}
