// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// role says who is the original initiator.
type role string

const (
	charonInitiates role = "charon initiates"
	weInitiate      role = "we initiate"
)

var roles = []role{charonInitiates, weInitiate}

// bothRoles runs a scenario in each role, as subtests.
func bothRoles(t *testing.T, name string, f func(t *testing.T, r role)) {
	for _, r := range roles {
		t.Run(string(r)+"/"+name, func(t *testing.T) { f(t, r) })
	}
}

const (
	secret = "interop-psk"
	pskUE  = "auth = psk; id = ue@example.org"
	pskGW  = "auth = psk; id = gw.example.org"
	// What is negotiated where a scenario is about something else.
	someIKE = "aes256gcm16-prfsha256-x25519"
	someESP = "aes256gcm16"
)

// connection is charon's configuration. Lines are separated by semicolons.
type connection struct {
	ike, esp      string
	local, remote string // auth sections
	lines         string // of the connection
	child         string // of the child
	ts            string // of the network behind the gateway
	inner         string // the UE's inner addresses: vips of an initiator, pools of a responder; empty: its own address
	psk           string
	top           string // more top-level sections
	daemon        string // of the section charon in strongswan.conf
}

func lines(s string) string { return strings.ReplaceAll(s, "; ", "\n") }

// swanctl is the connection as swanctl.conf.
func (c *connection) swanctl(r role) string {
	ends, local, remote := "local_addrs = "+gwAddr, c.ts, "dynamic"
	pools := ""
	if r == charonInitiates {
		ends, local, remote = "remote_addrs = "+gwAddr, "dynamic", c.ts
		if c.inner != "" {
			ends += "\nvips = " + c.inner
		}
	} else if c.inner != "" {
		var names []string
		for i, p := range strings.Split(c.inner, ",") {
			names = append(names, fmt.Sprintf("p%d", i))
			pools += fmt.Sprintf("p%d { addrs = %s }\n", i, p)
		}
		ends += "\npools = " + strings.Join(names, ",")
	}
	return fmt.Sprintf(`connections { n3 {
version = 2
mobike = yes
%s
proposals = %s
%s
local {
%s }
remote {
%s }
children { c1 {
local_ts = %s
remote_ts = %s
esp_proposals = %s
%s } } } }
pools { %s }
secrets {
ike-1 {
secret = %s }
eap-1 {
id = ue@example.org
secret = %s } }
%s
`, ends, c.ike, lines(c.lines), lines(c.local), lines(c.remote), local, remote, c.esp, lines(c.child), pools, c.psk, secret, lines(c.top))
}

// setup is what a scenario wants different. All fields are optional.
type setup struct {
	charon   func(c *connection)
	files    func(c *charon)        // beside the configuration
	ours     func(o *ikev2.Options) //
	want     func(w *ikev2.InitiatorOptions)
	network  func(n *network) // before anything starts
	on       func(e *edge, s *ikev2.Session, ev ikev2.Event) bool
	lifetime ipsec.Lifetime // of our child SAs
	start    ikev2.Path     // of our IKE_SA_INIT request
	silent   bool           // no pings from the start; the scenario calls traffic
	recorded bool           // one packet a datagram, for who looks at the wire
	down     bool           // do not connect; the scenario does
	hosts    bool           // the inner address of the UE is its outer one
	v6inner  bool           // an inner IPv6 address too, which the pings use
}

// world is both sides of a scenario.
type world struct {
	t    *testing.T
	role role
	set  setup
	n    *network
	c    *charon
	conf connection
	e    *edge
	// ours goes from our side to charon's, theirs the other way.
	ours, theirs *pinger
	began        time.Time
	total        counts
}

func ueID() ikev2.Identity {
	return ikev2.Identity{Type: message.ID_RFC822_ADDR, Data: []byte("ue@example.org")}
}

func gwID() ikev2.Identity {
	return ikev2.Identity{Type: message.ID_FQDN, Data: []byte("gw.example.org")}
}

var (
	inner   = addr("10.60.0.1")
	inner6  = addr("2001:db8:60::1")
	allIPv4 = []message.TrafficSelector{message.AnyIPv4}
	behind  = message.TrafficSelector{EndPort: 65535, Start: addr("10.200.0.0"), End: addr("10.200.0.255")}
	behind6 = message.TrafficSelector{EndPort: 65535, Start: addr("2001:db8:200::"), End: addr("2001:db8:200::ffff")}
)

// options are ours with the default algorithms and the shared secret.
func options(r role) ikev2.Options {
	id := gwID()
	if r == weInitiate {
		id = ueID()
	}
	profile := suite.LegacyLab()
	psk := &ikev2.PSK{Secret: func(ikev2.Identity) ([]byte, error) { return []byte(secret), nil }}
	return ikev2.Options{
		IKE: profile.IKE, ESP: profile.ESP, Identity: id, Prove: psk, Verify: psk,
		Retransmit: ikev2.Retransmission{First: slow(250 * time.Millisecond)}, Linger: time.Second,
		AcceptChild: func(*ikev2.Session, *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
			return ikev2.ChildAnswer{Tag: &tunnel{}}, nil
		},
	}
}

// build makes both sides without connecting them.
func build(t *testing.T, r role, set setup) *world {
	need(t)
	w := &world{t: t, role: r, set: set, n: newNetwork(t), began: time.Now()}
	t.Cleanup(w.report)
	w.conf = connection{
		ike: someIKE, esp: someESP, local: pskUE, remote: pskGW, ts: "10.200.0.0/24", inner: "0.0.0.0", psk: secret,
	}
	charonNS, ourNS := w.n.ue, w.n.gw
	if r == weInitiate {
		w.conf.local, w.conf.remote, w.conf.inner = pskGW, pskUE, "10.60.0.0/24"
		charonNS, ourNS = ourNS, charonNS
	}
	if set.v6inner {
		w.conf.ts += ",2001:db8:200::/112"
		w.conf.inner += map[role]string{charonInitiates: ",::", weInitiate: ",2001:db8:60::/112"}[r]
	}
	if set.charon != nil {
		set.charon(&w.conf)
	}
	if set.network != nil {
		set.network(w.n)
	}
	w.c = newCharon(t, charonNS)
	w.c.start(lines(w.conf.daemon))
	if set.files != nil {
		set.files(w.c)
	}
	w.c.load(w.conf.swanctl(r))
	w.open(ourNS)
	t.Cleanup(w.diagnose) // before charon ends
	return w
}

// open starts our side, again after its close.
func (w *world) open(ns string) {
	w.e = newEdge(w.t, ns, udpbatch.Options{NoGSO: w.set.recorded})
	w.e.on, w.e.lifetime, w.e.hosts = w.gateway, w.set.lifetime, w.set.hosts
	if w.role == charonInitiates {
		w.e.front = ikev2.NewResponder(w.ourOptions())
	}
}

func (w *world) ourOptions() ikev2.Options {
	o := options(w.role)
	o.NewChildSPI = func() (uint32, error) { return w.e.dp.NewInboundSPI(-1) }
	o.ReleaseChildSPI = w.e.dp.ReleaseSPI
	if w.set.ours != nil {
		w.set.ours(&o)
	}
	return o
}

// connect makes both sides, connects them and starts the pings.
func connect(t *testing.T, r role, set setup) *world {
	t.Helper()
	w := build(t, r, set)
	if set.down {
		return w
	}
	w.up()
	if !set.silent {
		w.traffic()
	}
	return w
}

// up lets the initiator connect.
func (w *world) up() {
	w.t.Helper()
	before := len(got[ikev2.ChildUp](w.e))
	if w.role == charonInitiates {
		w.c.must("--initiate", "--child", "c1", "--timeout", fmt.Sprint(int(slow(15*time.Second).Seconds())))
	} else {
		w.initiate()
	}
	eventually(w.t, "the child comes up", func() bool { return len(got[ikev2.ChildUp](w.e)) > before })
	if w.role == weInitiate {
		eventually(w.t, "charon's IKE SA is up", func() bool {
			all := w.c.sas()
			return len(all) > 0 && all[len(all)-1].state == "ESTABLISHED" && len(all[len(all)-1].children) > 0
		})
	}
}

// initiate starts our session towards charon.
func (w *world) initiate() {
	want := ikev2.InitiatorOptions{
		Peer:   gwID(),
		Child:  ikev2.ChildRequest{LocalTS: allIPv4, RemoteTS: allIPv4, Tag: &tunnel{}},
		Config: &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}},
	}
	if w.set.v6inner {
		both := []message.TrafficSelector{message.AnyIPv4, message.AnyIPv6}
		want.Child.LocalTS, want.Child.RemoteTS = both, both
		want.Config.Attributes = append(want.Config.Attributes, message.ConfigAttribute{Type: message.INTERNAL_IP6_ADDRESS})
	}
	if w.set.want != nil {
		w.set.want(&want)
	}
	path := w.set.start
	if !path.Local.IsValid() {
		path = ikev2.Path{Local: netip.MustParseAddrPort(ueAddr1 + ":500"), Remote: netip.MustParseAddrPort(gwAddr + ":500")}
	}
	w.e.wait(func() {
		s, out := ikev2.NewInitiator(time.Now(), w.ourOptions(), want, path)
		w.e.adopt(s)
		w.e.take(s, out)
	})
}

// gateway is the owner of a responder that gives its UE inner addresses and lets it reach the network behind.
func (w *world) gateway(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
	if w.set.on != nil && w.set.on(e, s, ev) {
		return true
	}
	if _, ok := ev.(ikev2.AuthRequest); ok {
		e.take(s, s.AuthorizeChild(time.Now(), w.authorization()))
	}
	return true
}

func (w *world) authorization() ikev2.Authorization {
	a := ikev2.Authorization{
		Config: &message.Configuration{Type: message.CFG_REPLY, Attributes: []message.ConfigAttribute{
			{Type: message.INTERNAL_IP4_ADDRESS, Value: inner.AsSlice()},
		}},
		LocalTS: []message.TrafficSelector{behind}, RemoteTS: []message.TrafficSelector{message.AddrSelector(0, inner)}, Tag: &tunnel{},
	}
	if w.set.v6inner {
		a.Config.Attributes = append(a.Config.Attributes, message.ConfigAttribute{Type: message.INTERNAL_IP6_ADDRESS, Value: append(inner6.AsSlice(), 64)})
		a.LocalTS, a.RemoteTS = append(a.LocalTS, behind6), append(a.RemoteTS, message.AddrSelector(0, inner6))
	}
	return a
}

// traffic starts the pings, both ways.
func (w *world) traffic() {
	w.t.Helper()
	ue, net := inner, addr(behindGW)
	if w.set.v6inner {
		ue, net = inner6, addr(behindV6)
	}
	if w.role == charonInitiates {
		w.pings(net, ue)
	} else {
		w.pings(ue, net)
	}
}

func (w *world) pings(ours, theirs netip.Addr) {
	w.t.Helper()
	w.ours = w.e.pinger(ours, theirs)
	w.theirs = kernelPinger(w.t, w.c.ns, ours)
	w.flows("at first")
}

// flows waits until pings go through in both directions from now on.
func (w *world) flows(when string) {
	w.t.Helper()
	w.ours.flows(w.t, "our pings flow "+when, 3)
	w.theirs.flows(w.t, "charon's pings flow "+when, 3)
}

// end stops the pings and gives what both lost together, and the longer gap.
func (w *world) end() counts {
	if w.ours != nil {
		for _, p := range []*pinger{w.ours, w.theirs} {
			c := p.end()
			w.total.sent, w.total.lost, w.total.twice = w.total.sent+c.sent, w.total.lost+c.lost, w.total.twice+c.twice
			w.total.gap = max(w.total.gap, c.gap)
		}
		w.ours, w.theirs = nil, nil
	}
	return w.total
}

// lost ends the scenario's pings, of which up to limit may have been lost, and those that charon's kernel dropped on their way
// out: charon deletes its old state as soon as there is a new one, whatever is under way through it. Ours must drop none.
func (w *world) lost(limit int) {
	w.t.Helper()
	w.flows("at last")
	c := w.end()
	if *charonESP == inKernel {
		limit += w.stateless(w.c.ns)
	}
	if *ourESP == inKernel {
		require.Zero(w.t, w.stateless(w.e.ns), "packets of ours for which there was no state")
	}
	require.LessOrEqual(w.t, c.lost, limit, "pings lost of %d, longest gap %v", c.sent, c.gap)
	require.Zero(w.t, c.twice, "pings answered twice")
}

// stateless is how many packets the kernel of a namespace has dropped on their way out because their state was gone.
func (w *world) stateless(ns string) (n int) {
	for line := range strings.Lines(w.n.in(ns, "cat /proc/net/xfrm_stat")) {
		if f := strings.Fields(line); len(f) == 2 && (f[0] == "XfrmOutStateInvalid" || f[0] == "XfrmOutNoStates") {
			count, err := strconv.Atoi(f[1])
			require.NoError(w.t, err)
			n += count
		}
	}
	return n
}

// diagnose tells, while both sides are still there, what is needed to understand a failure.
func (w *world) diagnose() {
	if !w.t.Failed() || w.e == nil {
		return
	}
	for _, p := range []*pinger{w.ours, w.theirs} {
		if p != nil {
			w.t.Logf("pings: %+v", p.counts(slow(300*time.Millisecond)))
		}
	}
	w.t.Logf("pings in all: %+v", w.total)
	w.t.Logf("our data plane: %+v", w.e.dp.Totals())
	for tn := range w.e.tunnels {
		st, err := w.e.dp.Stats(tn.id)
		w.t.Logf("child SA %d: %+v, %v", tn.id, st, err)
	}
	sas, err := w.c.ctl("--list-sas", "--raw")
	w.t.Logf("charon: %s, %v\n%s", sas, err, w.n.in(w.c.ns, "ip addr; ip rule; ip route show table 220 || true; ip -6 route show table 220 || true"))
	for _, ns := range []string{w.n.ue, w.n.gw} {
		w.t.Logf("%s:\n%s", ns, w.n.in(ns, "ip route; ip -s xfrm state; ip xfrm policy; cat /proc/net/xfrm_stat || true"))
	}
}

// report enters the scenario into the matrix.
func (w *world) report() {
	c := w.end()
	note(row{name: w.t.Name(), ok: !w.t.Failed(), sent: c.sent, lost: c.lost, gap: c.gap, elapsed: time.Since(w.began)})
}

// agree checks that both sides have the same SAs: one IKE SA and the SPIs of our children.
func (w *world) agree() charonSA {
	w.t.Helper()
	var sa charonSA
	eventually(w.t, "both sides have the same child SAs", func() bool {
		var children []*ikev2.ChildSA
		w.e.wait(func() { children = w.e.session().Children() })
		all := w.c.sas()
		if len(all) != 1 {
			return false
		}
		sa = all[0]
		// charon keeps a pair that was rekeyed for some seconds after its end, to decrypt late packets.
		var want, have []string
		for _, c := range children {
			want = append(want, fmt.Sprintf("%08x %08x", c.OutboundSPI, c.InboundSPI))
		}
		for _, c := range sa.children {
			if c.state != "DELETED" {
				have = append(have, c.in+" "+c.out)
			}
		}
		slices.Sort(want)
		slices.Sort(have)
		return slices.Equal(want, have)
	})
	return sa
}
