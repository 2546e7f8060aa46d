// SPDX-License-Identifier: Apache-2.0

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
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// world is an N3IWF, a core and UEs in this process, joined by real sockets on loopback addresses that no other world uses.
type world struct {
	t    *testing.T
	n    int
	ctx  context.Context
	log  *slog.Logger
	text *lockedBuffer

	cfg     *config.Config
	nf      *n3iwf.N3IWF
	stop    context.CancelFunc
	stopped chan error

	file, yaml string             // of the configuration; the file is not written
	before     func(*n3iwf.N3IWF) // Serve, if any

	ues      []*ue.UE
	coreFile string
	core     *core.Core
}

// Last octets of the addresses in a world; UEs have those from 10 on.
const (
	hostN3IWF = 1 + iota
	hostN3
	hostCore
	hostOtherAMF
	hostProxy
)

// deadline bounds every wait. It is long, because a machine may be busy; no test needs it when all is well.
const deadline = 30 * time.Second

const (
	k   = "465b5ce8b199b49faa5f0a2ee238a6bc"
	opc = "e8ed289deba952e4283b54e88e6183ca"
)

var (
	dn         = netip.MustParseAddr("192.0.2.1") // in the data network
	worlds     atomic.Int32
	keyAndCert = sync.OnceValues(newCertificate)
)

func (w *world) addr(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 64 + byte(os.Getpid()%128), byte(w.n), byte(host)})
}

// Ports differ between worlds and between processes, because all share ::1.
func (w *world) ikePort() uint16   { return uint16(10000 + os.Getpid()%200*100 + 4*w.n%100) }
func (w *world) nattPort() uint16  { return w.ikePort() + 1 }
func (w *world) proxyPort() uint16 { return w.ikePort() + 2 } // of IKE; the next one is NAT traversal
func (w *world) uePort() uint16    { return w.ikePort() + 20000 }

// imsi of the subscriber that the UE number i is.
func imsi(i int) string { return fmt.Sprintf("00101%010d", i) }

// newWorld starts a core and an N3IWF, and waits for NG Setup. The functions may change the configurations before.
func newWorld(t *testing.T, changeN3IWF func(*config.Config), changeCore ...string) *world {
	t.Helper()
	w := prepareWorld(t, changeN3IWF, changeCore...)
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	return w
}

func prepareWorld(t *testing.T, change func(*config.Config), coreLines ...string) *world {
	t.Helper()
	w := &world{t: t, n: int(worlds.Add(1)), text: &lockedBuffer{}}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	w.ctx = ctx
	w.log = slog.New(slog.NewTextHandler(w.text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Log("the end of the log:\n" + w.text.tail(24<<10))
		}
	})
	dir := t.TempDir()
	certificate, key := keyAndCert()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	write("n3iwf.pem", certificate)
	write("n3iwf.key", key)
	text := fmt.Sprintf(`n3iwf:
  globalN3IWFID: {id: 135}
  supportedTAs:
    - tac: "000001"
      plmns: [{plmn: {mcc: "001", mnc: "01"}}, {plmn: {mcc: "001", mnc: "02"}}]
nwu:
  addresses: ["%s", "::1"]
  ikePort: %d
  nattPort: %d
  identity: n3iwf.lab.example
  certificate: {chain: n3iwf.pem, key: n3iwf.key}
  uePools: {ipv4: [10.60.0.0/16]}
  ike: {retransmission: {initial: 300ms, base: 1.5, tries: 4}}
  mobike: {patience: 1s}
n2:
  amfs: [{addresses: ["%s"]}]
  localAddresses: ["%s"]
  transport: udp
  backOff: {initial: 100ms, max: 400ms}
  sctp: {rtoMin: 50ms, rtoInitial: 100ms, rtoMax: 500ms, heartbeat: 500ms}
n3:
  addresses: ["%s"]
timers: {release: 1s}
dataPlane: {workers: 2}
`, w.addr(hostN3IWF), w.ikePort(), w.nattPort(), w.addr(hostCore), w.addr(hostN3), w.addr(hostN3))
	w.file, w.yaml = filepath.Join(dir, "n3iwf.yaml"), text
	cfg, err := config.Parse(w.file, []byte(text))
	require.NoError(t, err)
	if change != nil {
		change(cfg)
	}
	w.cfg = cfg
	subscribers := ""
	for i := range 40 {
		subscribers += fmt.Sprintf("  - {imsi: %q, k: %s, opc: %s}\n", imsi(i), k, opc)
	}
	w.coreFile = write("core.yaml", fmt.Sprintf(`name: lab-amf
mcc: "001"
mnc: "01"
amfId: cafe00
tac: "000001"
listen: "%s:38412"
transport: udp
upf: %s
pool: 10.45.0.0/24
ciphering: true
slices: [{sst: 1}]
dnns:
  - name: internet
    flows: [{qfi: 1, 5qi: 9}, {qfi: 2, 5qi: 7}, {qfi: 3, 5qi: 8}]
%s
subscribers:
%s`, w.addr(hostCore), w.addr(hostCore), strings.Join(coreLines, "\n"), subscribers))
	return w
}

func (w *world) startCore() {
	w.t.Helper()
	cfg, err := core.LoadConfig(w.coreFile)
	require.NoError(w.t, err)
	c, err := core.New(cfg, w.log.With("who", "core"))
	require.NoError(w.t, err)
	w.core = c
	w.t.Cleanup(func() { _ = c.Close() })
}

func (w *world) startN3IWF() {
	w.t.Helper()
	nf, err := n3iwf.New(w.cfg, w.log.With("who", "n3iwf"))
	require.NoError(w.t, err)
	if w.before != nil {
		w.before(nf)
	}
	w.serve(nf)
}

func (w *world) serve(nf *n3iwf.N3IWF) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	w.nf, w.stop, w.stopped = nf, stop, stopped
	go func() { stopped <- nf.Serve(ctx) }()
	w.t.Cleanup(func() {
		stop()
		select {
		case err := <-stopped:
			stopped <- err
			require.NoError(w.t, err)
			require.Zero(w.t, nf.Counters().Panics.Load(), "panics in the N3IWF")
		case <-time.After(deadline):
			w.t.Error("the N3IWF does not stop")
		}
		for _, u := range w.ues { // after the N3IWF, which tells them that they are released
			_ = u.Close()
		}
	})
}

// until waits for a state that several goroutines bring about.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	defer cancel()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			var state any = "a process of its own"
			if w.nf != nil {
				state = w.nf.Status()
			}
			require.Fail(w.t, "waited in vain for: "+what, "N3IWF %+v core %+v", state, w.core.State())
		}
	}
}

// empty waits until neither N3IWF nor core hold anything of a UE.
func (w *world) empty() {
	w.t.Helper()
	w.until("an N3IWF without UEs", func() bool {
		s := w.nf.Status()
		return s.UEs == 0 && s.ChildSAs == 0 && s.PDUSessions == 0 && s.InnerAddresses == 0 && s.N3.Sessions == 0 && s.NAS.Connections == 0
	})
	w.until("a core without UE contexts", func() bool { return w.connected() == 0 && w.core.UPF().Stats().Sessions == 0 })
}

// connected counts the UEs that the core has a context at the N3IWF for.
func (w *world) connected() (n int) {
	return len(w.core.State().UEs)
}

// logged waits for a line of the log that has all the words.
func (w *world) logged(words ...string) {
	w.t.Helper()
	w.until("the log line "+strings.Join(words, " … "), func() bool { return w.text.has(words...) })
}

func (w *world) options(i int) ue.Options {
	key := func(s string) (b [16]byte) {
		_, err := hex.Decode(b[:], []byte(s))
		require.NoError(w.t, err)
		return b
	}
	return ue.Options{
		Subscriber: ue.Subscriber{
			IMSI: imsi(i), MCC: "001", MNC: "01", Key: milenage.Subscriber{K: key(k), OPc: key(opc)}, Ciphering: i%2 == 0, Slices: []nas.SNSSAI{{SST: 1}},
		},
		Local: w.addr(10 + i), N3IWF: w.addr(hostN3IWF), IKEPort: w.ikePort(), NATTPort: w.nattPort(), LocalIKE: w.uePort(), LocalNATT: w.uePort() + 1,
		Logger: w.log.With("who", imsi(i)),
	}
}

// ue makes the UE number i; the functions may change it before.
func (w *world) ue(i int, change ...func(*ue.Options)) *ue.UE {
	w.t.Helper()
	o := w.options(i)
	for _, f := range change {
		f(&o)
	}
	u, err := ue.New(o)
	require.NoError(w.t, err)
	w.ues = append(w.ues, u)
	return u
}

// within bounds a call.
func (w *world) within(call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	defer cancel()
	return call(ctx)
}

func (w *world) register(u *ue.UE) {
	w.t.Helper()
	require.NoError(w.t, w.within(u.Register))
}

// session brings PDU session 1 up.
func (w *world) session(u *ue.UE) *ue.Session {
	w.t.Helper()
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
	return s
}

// online registers a UE, brings a PDU session up, and pings.
func (w *world) online(i int, change ...func(*ue.Options)) (*ue.UE, *probe.Probe) {
	w.t.Helper()
	u := w.ue(i, change...)
	w.register(u)
	p := probe.New(u, w.session(u), dn)
	_, err := p.Ping(w.ctx, 2)
	require.NoError(w.t, err)
	return u, p
}

// traffic sends echo requests until the function that it gives is called, which waits for the last answers and gives the packets that were sent
// and those that were lost.
func (w *world) traffic(p *probe.Probe, perSecond int) (end func() (sent, lost int)) {
	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx, perSecond, 200) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
	return func() (sent, lost int) {
		cancel()
		running.Wait()
		packets := p.Packets()
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		patience := time.After(2 * time.Second)
		for {
			lost = 0
			for _, q := range p.Packets() {
				if q.Back == 0 {
					lost++
				}
			}
			if lost == 0 {
				return len(packets), 0
			}
			select {
			case <-patience:
				return len(packets), lost
			case <-tick.C:
			}
		}
	}
}

// answered waits until n more echoes have come back.
func (w *world) answered(p *probe.Probe, n int) {
	w.t.Helper()
	count := func() (c int) {
		for _, q := range p.Packets() {
			if q.Back != 0 {
				c++
			}
		}
		return c
	}
	start := count()
	w.until("echoes", func() bool { return count() >= start+n })
}

// lockedBuffer is the log of a world.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 8<<20 {
		l.b.Next(4 << 20) // a flood fills the log too
	}
	return l.b.Write(b)
}

func (l *lockedBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return string(b[max(0, len(b)-n):])
}

func (l *lockedBuffer) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
lines:
	for line := range bytes.Lines(l.b.Bytes()) {
		for _, word := range words {
			if !bytes.Contains(line, []byte(word)) {
				continue lines
			}
		}
		return true
	}
	return false
}

// count is how many lines of the log have the words.
func (l *lockedBuffer) count(words string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(words))
}

func newCertificate() (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "n3iwf.lab.example"}, DNSNames: []string{"n3iwf.lab.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
