// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/internal/lograte"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// reloadCase is a network function that can be reloaded, without sockets: one owner with its responder.
type reloadCase struct {
	dir string
	log bytes.Buffer
	nf  *N3IWF
}

func newReloadCase(t *testing.T) *reloadCase {
	t.Helper()
	r := &reloadCase{dir: t.TempDir()}
	certificateFiles(t, r.dir, "n3iwf.example.org", time.Now().Add(time.Hour))
	for _, name := range []string{"chain", "key"} {
		require.NoError(t, os.Link(filepath.Join(r.dir, name+".pem"), filepath.Join(r.dir, name+"2.pem")))
	}
	for _, name := range []string{"ppk", "ppk2"} {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, name), []byte("id "+strings.Repeat("ab", 32)+"\n"), 0o600))
	}
	rate := lograte.NewHandler(slog.NewTextHandler(&r.log, nil), 20)
	r.nf = &N3IWF{cfg: r.base(), log: slog.New(rate), logRate: rate}
	r.nf.old.turn = make(chan struct{}, 1)
	r.nf.local.configure(r.nf.cfg.NWu.MOBIKE.AdditionalAddresses)
	r.nf.nodes = newNodes(r.nf)
	var err error
	r.nf.relay, err = relay.New(relay.Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.nf.relay.Close()) })
	r.nf.makePools()
	r.nf.nas, err = nas.NewServer(nas.Options{Addresses: nasAddresses(&r.nf.cfg.NWu), Out: func(netip.Addr, []byte) {}, Events: nasEvents{r.nf}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.nf.nas.Close()) })
	d, err := user.New(user.Options{Sink: sink{r.nf}, Sockets: sockets(&r.nf.cfg.NWu), Workers: 1, Log: r.nf.log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()); r.nf.ended.Store(true) })
	r.nf.dataPlane = d
	require.NoError(t, r.nf.openProof())
	options, err := r.nf.ikeOptions(r.nf.cfg)
	require.NoError(t, err)
	o := newOwner(r.nf, 0)
	r.nf.owners = []*owner{o}
	o.responder = ikev2.NewResponder(r.nf.ownerOptions(options, o))
	return r
}

// base has something of everything that one key switches on for others.
func (r *reloadCase) base() *config.Config {
	c := config.Default()
	c.NWu.Identity = "n3iwf.example.org"
	c.NWu.Certificate = config.Certificate{Chain: filepath.Join(r.dir, "chain.pem"), Key: config.Secret(filepath.Join(r.dir, "key.pem")), Send: "onRequest"}
	c.NWu.IKE.PPK.File = filepath.Join(r.dir, "ppk")
	c.NWu.Addresses, c.NWu.IKEPort, c.NWu.NATTPort = []netip.Addr{netip.MustParseAddr("127.0.0.81")}, 0, 0 // any ports
	c.NWu.UEPools.IPv4, c.NWu.UEPools.IPv6 = []netip.Prefix{netip.MustParsePrefix("10.60.0.0/16")}, []netip.Prefix{netip.MustParsePrefix("fd00:60::/64")}
	c.NWu.NAS.IPv4, c.NWu.NAS.IPv6 = netip.MustParseAddr("10.60.0.1"), netip.MustParseAddr("fd00:60::1")
	c.NWu.MOBIKE.AdditionalAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	c.NWu.MOBIKE.Switch.Enabled = true
	c.N2.AMFs = []config.AMF{config.DefaultAMF()}
	return c
}

// leaf is a key that has no others below it.
type leaf struct {
	path, reload string
	index        []int
}

func leaves(of reflect.Type, path, reload string, index []int) (all []leaf) {
	for i := range of.NumField() {
		field := of.Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		l := leaf{strings.TrimPrefix(path+"."+name, "."), config.ReloadOf(field, reload), append(index[:len(index):len(index)], i)}
		if field.Type.Kind() == reflect.Struct && field.Type.PkgPath() == of.PkgPath() {
			all = append(all, leaves(field.Type, l.path, l.reload, l.index)...)
		} else {
			all = append(all, l)
		}
	}
	return all
}

// other are values for keys where not every text will do.
func (r *reloadCase) other(path string) any {
	return map[string]any{
		"nwu.addresses":                    []netip.Addr{netip.MustParseAddr("127.0.0.81"), netip.MustParseAddr("127.0.0.82")},
		"nwu.ikePort":                      r.freePort(),
		"nwu.nattPort":                     r.freePort(),
		"nwu.identity":                     "also.n3iwf.example.org",
		"nwu.udpEncapsulation":             "auto",
		"nwu.ike.crashSecret":              filepath.Join(r.dir, "crash"),
		"nwu.ike.profile":                  "cnsa",
		"nwu.certificate.send":             "always",
		"nwu.certificate.chain":            filepath.Join(r.dir, "chain2.pem"),
		"nwu.certificate.key":              config.Secret(filepath.Join(r.dir, "key2.pem")),
		"nwu.certificate.issuers":          filepath.Join(r.dir, "chain.pem"),
		"nwu.certificate.further":          []config.FurtherCertificate{{Chain: filepath.Join(r.dir, "chain.pem"), Key: config.Secret(filepath.Join(r.dir, "key.pem"))}},
		"nwu.ike.ppk.file":                 filepath.Join(r.dir, "ppk2"),
		"nwu.mobike.returnRoutability":     "off",
		"nwu.mobike.followESP":             "rr",
		"debug.keylog":                     filepath.Join(r.dir, "keys"),
		"nwu.ike.halfOpen.timeout":         77 * time.Second,
		"nwu.ike.halfOpen.cookieThreshold": 0, // always
	}[path]
}

// freePort is one that nobody has at the address of base, where no other test is. The kernel gives it to nobody: its own choice is from 32768 on.
func (r *reloadCase) freePort() uint16 {
	for port := 20000 + os.Getpid()%10000; port < 32768; port++ {
		if conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 81), Port: port}); err == nil {
			defer conn.Close()
			return uint16(port)
		}
	}
	return 0
}

// rawSockets are the keys that ask for plain ESP.
var rawSockets = map[string]bool{"nwu.udpEncapsulation": true, "nwu.esp.plain": true}

// change gives a key another value.
func (r *reloadCase) change(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if other := r.other(path); other != nil {
		v.Set(reflect.ValueOf(other))
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *[]netip.Prefix:
		*x = append((*x)[:len(*x):len(*x)], netip.MustParsePrefix("203.0.113.0/24"))
		return
	case *[]netip.Addr:
		*x = append((*x)[:len(*x):len(*x)], netip.MustParseAddr("203.0.113.7"))
		return
	case *netip.Addr:
		*x = netip.MustParseAddr("203.0.113.7")
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 0.25)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	default:
		require.Fail(t, "no other value is known", "%s is a %s", path, v.Type())
	}
}

// inResponders are the keys that the IKEv2 responders have a copy of. All others are read where they are used.
var inResponders = regexp.MustCompile(`^nwu\.identity|^nwu\.udpEncapsulation|^nwu\.ike\.(profile|crashSecret|halfOpen|retransmission|liveness|fragmentSize|lifetime|window|ppk\.mandatory)` +
	`|^nwu\.esp\.(esn|lifetime)|^nwu\.mobike|^nwu\.certificate\.send|^timers\.registration$`)

// notInResponders of them are read where they are used.
var notInResponders = map[string]bool{"nwu.ike.halfOpen.timeout": true, "nwu.mobike.watchAddresses": true}

// responderOptions are those of the responder that can be compared.
func (r *reloadCase) responderOptions() map[string]any {
	o := r.nf.owners[0].responder.Options()
	out := map[string]any{"PPK mandatory": o.PPK.Mandatory}
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if k := field.Type.Kind(); k != reflect.Func && k != reflect.Interface && field.Name != "PPK" {
			out[field.Name] = v.Field(i).Interface()
		}
	}
	return out
}

// Every key of the configuration, one at a time: what its tag says of it is what a reload does.
func TestReloadOfEveryKey(t *testing.T) {
	kinds := map[string]int{}
	for _, l := range leaves(reflect.TypeFor[config.Config](), "", config.ReloadRestart, nil) {
		kinds[l.reload]++
		t.Run(l.path, func(t *testing.T) {
			if rawSockets[l.path] {
				testenv.NeedRoot(t)
			}
			r := newReloadCase(t)
			before, next := r.responderOptions(), r.base()
			r.change(t, l.path, reflect.ValueOf(next).Elem().FieldByIndex(l.index))
			changed, later, err := r.nf.Reload(next)
			require.NoError(t, err)
			copied := inResponders.MatchString(l.path) && !notInResponders[l.path]
			if l.reload == config.ReloadRestart || l.reload == config.ReloadTakeOver {
				require.Empty(t, changed)
				require.Equal(t, []string{l.path}, later)
				require.Empty(t, config.Diff(r.nf.live(), r.base()), "not taken in part")
				copied = false
			} else {
				require.Equal(t, []string{l.path}, changed)
				require.Empty(t, later)
				require.Empty(t, config.Diff(r.nf.live(), next), "taken")
			}
			if copied {
				require.NotEqual(t, before, r.responderOptions(), "the responders work by it")
			} else {
				require.Equal(t, before, r.responderOptions())
			}
		})
	}
	require.Positive(t, kinds[config.ReloadTakeOver])
	for _, kind := range []string{config.ReloadNow, config.ReloadNew, config.ReloadRestart} {
		require.Greater(t, kinds[kind], 15, kind)
	}
}

// Every key of the configuration, one at a time, in a process that wants to take over from one where it has another value: those that change with a
// restart only are refused, and named; those for which a take-over suffices are not. What a reload changes may have to be reloaded before, no more.
func TestTakeOverOfEveryKey(t *testing.T) {
	r := newReloadCase(t)
	r.nf.cfg.N3.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	running := r.nf.shape()
	for _, l := range leaves(reflect.TypeFor[config.Config](), "", config.ReloadRestart, nil) {
		next := r.base()
		next.N3.Addresses = r.nf.cfg.N3.Addresses
		r.change(t, l.path, reflect.ValueOf(next).Elem().FieldByIndex(l.index))
		keys := different(running, (&N3IWF{cfg: next}).shape())
		require.Equal(t, l.reload, config.ReloadOfKey(l.path), l.path)
		switch {
		case strings.HasPrefix(l.path, "cluster."): // see TestTakeOverOfANode
		case l.reload == config.ReloadRestart:
			require.Len(t, keys, 1, l.path)
			path, _, _ := strings.Cut(l.path, ".plmn")
			require.Regexp(t, `(^|, )`+regexp.QuoteMeta(path[:strings.LastIndex(path, ".")]), keys[0], l.path)
			said := refusalFor(&otherShape{keys})
			require.ErrorContains(t, said.err(), "its change takes a restart", l.path)
			require.ErrorContains(t, said.err(), "these keys of the configuration are not as in the running process", l.path)
		case l.reload == config.ReloadTakeOver:
			require.Empty(t, keys, l.path)
		case len(keys) > 0:
			said := refusalFor(&otherShape{keys})
			require.ErrorContains(t, said.err(), "let that one reload the file first", l.path)
		}
	}
}

// What is read where it is used has no copy that a reload could forget: nobody keeps the configuration of the start.
func TestNobodyReadsTheConfigurationOfTheStart(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	of := regexp.MustCompile(`\b(nf|n\.nf)\.cfg\b`)
	found := map[string]int{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if n := len(of.FindAll(text, -1)); n > 0 {
			found[name] = n
		}
	}
	require.Equal(t, map[string]int{"reload.go": 1}, found, "read nf.live() instead")
}

// What is made of the configuration at the start is made again: AMFs, the addresses that UEs are told, the rate of the log.
func TestReloadMakesAgain(t *testing.T) {
	r := newReloadCase(t)
	next := r.base()
	next.N2.AMFs = append(next.N2.AMFs, config.AMF{Name: "other.example", Port: 38412})
	own := netip.MustParseAddr("192.0.2.77")
	next.NWu.MOBIKE.AdditionalAddresses = []netip.Addr{own}
	next.Log.LinesPerSecond = 1
	_, later, err := r.nf.Reload(next)
	require.NoError(t, err)
	require.Empty(t, later)
	require.Len(t, r.nf.amfs.get(), 2)
	list, some := r.nf.local.missing()
	require.False(t, some)
	require.Equal(t, []netip.Addr{own}, list)
	require.Equal(t, []netip.Addr{own}, r.nf.owners[0].responder.Options().AdditionalAddresses)
	r.log.Reset()
	now := time.Now()
	for range 3 {
		record := slog.NewRecord(now, slog.LevelInfo, "flood", 0)
		require.NoError(t, r.nf.log.With("a", "b").Handler().Handle(t.Context(), record))
	}
	require.Equal(t, 1, strings.Count(r.log.String(), "flood"))
}

// 0 switches echo requests to UPFs and the quarantine of TEIDs off; for the relay it would be a default.
func TestNoEchoAndNoQuarantine(t *testing.T) {
	r := newReloadCase(t)
	echo, quarantine := r.nf.n3Timers()
	require.Equal(t, []time.Duration{time.Minute, time.Minute}, []time.Duration{echo.Interval, quarantine})
	next := r.base()
	next.N3.Echo.Interval, next.N3.TEIDQuarantine = 0, 0
	_, later, err := r.nf.Reload(next)
	require.NoError(t, err)
	require.Empty(t, later)
	echo, quarantine = r.nf.n3Timers()
	require.Negative(t, echo.Interval)
	require.Negative(t, quarantine)
}

// What cannot be used keeps all of the former configuration, and all of it is told at once, each with its key.
func TestReloadOfAllOrNothing(t *testing.T) {
	r := newReloadCase(t)
	expires := r.nf.CertificateExpires()
	held, err := r.nf.pool4.allocate()
	require.NoError(t, err)
	was := r.nf.dataPlane.Sockets()
	next := r.base()
	next.NWu.Certificate.Chain = filepath.Join(r.dir, "nothing.pem")
	next.NWu.UEPools.IPv4 = []netip.Prefix{netip.MustParsePrefix("10.61.0.0/16")}
	next.NWu.UEPools.IPv6 = append(next.NWu.UEPools.IPv6, netip.MustParsePrefix("fd00:61::/64"))
	next.NWu.Addresses = append(next.NWu.Addresses, netip.MustParseAddr("127.0.0.82"), netip.MustParseAddr("203.0.113.7"))
	next.Debug.KeyLog = filepath.Join(r.dir, "chain.pem") // a file
	next.Limits.MaxUEs = 7
	before := r.responderOptions()
	changed, later, err := r.nf.Reload(next)
	require.Empty(t, changed)
	require.Empty(t, later)
	for _, want := range []string{
		"nwu.certificate.chain: cannot be read", "nwu.uePools.ipv4: 1 UEs have addresses outside of these pools; keep", "nwu.addresses[2]: ", "debug.keylog: mkdir",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, 3, strings.Count(err.Error(), "\n"), "%v", err)
	require.Empty(t, config.Diff(r.base(), r.nf.Config()))
	require.Equal(t, expires, r.nf.CertificateExpires())
	require.Equal(t, was, r.nf.dataPlane.Sockets(), "the one that was opened is closed")
	require.Equal(t, before, r.responderOptions())
	require.False(t, r.nf.keys.on.Load())
	a, err := r.nf.pool6.allocate()
	require.NoError(t, err)
	require.True(t, r.base().NWu.UEPools.IPv6[0].Contains(a))

	// Without the UE the pool may go, and the same again is no change.
	r.nf.pool4.release(held)
	next = r.base()
	next.NWu.UEPools.IPv4 = []netip.Prefix{netip.MustParsePrefix("10.61.0.0/16")}
	for _, want := range [][]string{{"nwu.uePools.ipv4"}, nil} {
		changed, later, err = r.nf.Reload(next)
		require.NoError(t, err)
		require.Equal(t, want, changed)
		require.Empty(t, later)
	}
	a, err = r.nf.pool4.allocate()
	require.NoError(t, err)
	require.True(t, next.NWu.UEPools.IPv4[0].Contains(a), "%s", a)
	r.nf.pool4.release(a)

	// A family that no UE has comes and goes with its NAS address.
	next = r.base()
	next.NWu.UEPools.IPv6, next.NWu.NAS.IPv6 = nil, netip.Addr{}
	for _, c := range []*config.Config{next, r.base()} {
		_, later, err = r.nf.Reload(c)
		if c == next {
			require.ErrorContains(t, err, "nwu.uePools.ipv6: 1 UEs", "it still has that address")
			r.nf.pool6.release(func() netip.Addr {
				for a := range r.nf.pool6.used {
					return a
				}
				return netip.Addr{}
			}())
			_, later, err = r.nf.Reload(c)
		}
		require.NoError(t, err)
		require.Empty(t, later)
		require.Equal(t, len(c.NWu.UEPools.IPv6) == 0, r.nf.pool6.empty())
		require.Equal(t, c.NWu.NAS, r.nf.Config().NWu.NAS)
	}
}

// A socket that goes lingers; it is the same one when it is wanted again meanwhile, and is closed when its time is over. A reload that is refused changes
// nothing of that, and a successor does the same with what its predecessor was about to close.
func TestSocketsLinger(t *testing.T) {
	r := newReloadCase(t)
	reload := func(wrong bool, hosts ...string) error {
		next := r.base()
		next.NWu.Addresses = nil
		for _, h := range hosts {
			next.NWu.Addresses = append(next.NWu.Addresses, netip.MustParseAddr(h))
		}
		if wrong {
			next.NWu.Certificate.Chain = filepath.Join(r.dir, "nothing.pem")
		}
		_, _, err := r.nf.Reload(next)
		return err
	}
	const one, two = "127.0.0.81", "127.0.0.82"
	require.NoError(t, reload(false, one, two))
	both := r.nf.dataPlane.Sockets()
	require.Len(t, both, 4)
	require.NoError(t, reload(false, one))
	require.Len(t, r.nf.leaving, 2)
	require.Error(t, reload(true, one, two))
	require.Len(t, r.nf.leaving, 2)
	require.Equal(t, both, r.nf.dataPlane.Sockets())
	require.NoError(t, reload(false, one, two))
	require.Empty(t, r.nf.leaving)
	require.Equal(t, both, r.nf.dataPlane.Sockets())
	require.NoError(t, reload(false, one))
	for s, timer := range r.nf.leaving {
		require.True(t, timer.Stop())
		r.nf.left(s)
	}
	require.Len(t, r.nf.dataPlane.Sockets(), 2)

	for _, kind := range []ipsec.Kind{ipsec.IKE, ipsec.NATT} {
		_, err := r.nf.dataPlane.AddSocket(ipsec.Socket{Kind: kind, Local: netip.AddrPortFrom(netip.MustParseAddr(two), 0)})
		require.NoError(t, err)
	}
	next := *r.nf.Config()
	for _, s := range r.nf.dataPlane.Sockets() {
		if s.Local.Addr() == netip.MustParseAddr(one) && s.Kind == ipsec.IKE {
			next.NWu.IKEPort = s.Local.Port()
		} else if s.Local.Addr() == netip.MustParseAddr(one) {
			next.NWu.NATTPort = s.Local.Port()
		}
	}
	r.nf.reloaded.Store(&next) // as a successor is configured: with the ports
	r.nf.leaveOthers()
	require.Len(t, r.nf.leaving, 2)
	for s := range r.nf.leaving {
		require.Equal(t, two, s.Local.Addr().String())
	}
}

// The end of the first of all certificates is what counts.
func TestReloadOfFurtherCertificates(t *testing.T) {
	r := newReloadCase(t)
	soon := time.Now().Add(time.Minute)
	dir := filepath.Join(r.dir, "further")
	require.NoError(t, os.Mkdir(dir, 0o700))
	certificateFiles(t, dir, "n3iwf.example.org", soon)
	next := r.base()
	next.NWu.Certificate.Further = []config.FurtherCertificate{{Chain: filepath.Join(dir, "chain.pem"), Key: config.Secret(filepath.Join(dir, "key.pem"))}}
	_, _, err := r.nf.Reload(next)
	require.NoError(t, err)
	require.WithinDuration(t, soon, r.nf.CertificateExpires(), time.Second)
	require.Contains(t, r.log.String(), fmt.Sprintf("expires=%s", r.nf.CertificateExpires().UTC().Format("2006-01-02")))
}
