// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// transient are the fields that do not travel, with the reason. Every other field of these types must.
var transient = map[string]string{
	"Session.Owner":     "the owner's own",
	"Session.opt":       "each node has its own",
	"Session.rules":     "each node has its own",
	"Session.front":     "only of a half-open session",
	"Session.frontKey":  "only of a half-open session",
	"Session.source":    "only of a half-open session",
	"Session.initReply": "only of a half-open session",
	"Session.state":     "established, always",
	"Session.hs":        "only until the IKE SA is up",
	"Session.answering": "no export while it is set",
	"Session.computing": "no export while it is not empty",
	"Session.ikeRekey":  "no export while it is set",
	"Session.expires":   "only of a half-open or closed session",
	"Session.working":   "no export while it is not 0",
	"Session.following": "no export while it is not 0",
	"Session.followUps": "no export while there are any",
	"Session.quiet":     "the session goes on at the other node",
	"Session.now":       "of a call",
	"Session.out":       "of a call",
	"mobility.moved":    "of a call",
	"mobility.test":     "the owner asks for it again",

	"ikeSA.in":        "made from the keys; it has no state",
	"ikeSA.out":       "made from the keys and the number of used IVs",
	"ikeSA.pending":   "no export while it is set",
	"ikeSA.fragments": "the peer repeats all fragments of a message",
	"ikeSA.first":     "the peer repeats all fragments of a message",
	"receiving.held":  "no export while it is not empty",
	"taken.in":        "only of an IKE_INTERMEDIATE request, which IKE_AUTH has pushed out",
	"taken.out":       "only of an IKE_INTERMEDIATE request, which IKE_AUTH has pushed out",

	"child.line":             "Session.links",
	"child.rekey":            "Session.links",
	"child.peerRekey":        "Session.links",
	"child.rekeys":           "Session.links",
	"pendingChild.old":       "Session.links",
	"pendingChild.sent":      "Session.links",
	"pendingChild.peer":      "no export while it is set",
	"pendingChild.following": "no export while it is set",
	"request.sa":             "the one that it hangs on",

	"request.exchange": "follows from the kind",
	"request.build":    "follows from the kind",
	"request.done":     "follows from the kind",
	"request.failed":   "follows from the kind",
	"request.answered": "of a call",
}

// richSession is a gateway's session in the middle of everything, with nothing left at its zero value that travels.
func richSession(t testing.TB) (*Session, Options) {
	w := newWorld(t, 90)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.AdditionalAddresses = []netip.Addr{gwAddr6}
	o.AdditionalAddresses = []netip.Addr{ueAddr2}
	g.ESP = suite.WithGroups(g.ESP, suite.CURVE25519, suite.GroupNone)
	tagged(&g)
	ue, gw := w.up(o, g)
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	s := gw.s
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE } // the UE hears nothing any more
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil) // the check of its new path is on its way, for good
	gw.take(s.CreateChild(w.now, ChildRequest{
		LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "wanted", ESP: g.ESP, Notifies: []*message.Notify{notify(50001, []byte{1})},
	}))
	w.run(time.Second, nil)
	gw.take(s.Notify(w.now, 7, notify(50000, nil)))
	gw.take(s.DeleteChild(w.now, s.Children()[0].InboundSPI))
	gw.take(s.Probe(w.now))
	require.Len(t, s.sa.outstanding, 1)
	require.Len(t, s.sa.queue, 3)
	// A former IKE SA, as it stands until the peer deletes it.
	old := *ue.s.sa
	old.spiI, old.spiR, old.initiator, old.outstanding = 5, 6, false, nil
	require.NoError(t, s.useKeys(&old, old.keys))
	old.until = epoch.Add(time.Minute)
	older := old
	older.spiI = 7
	s.others = []*ikeSA{&old, &older}
	// The rest, one by one.
	s.sa.out.(*suite.Protector).SkipIVs(1000)
	s.followed = s.path.Remote
	s.rebinding = rebinding{s.path, w.now, w.now}
	s.moveLimit, s.moveCount, s.canSwitch = 9, moveCount{w.now, 3}, true
	s.switching = switching{switchWaiting, ap(gwAddr2, 4500), s.path, true, w.now}
	s.sa.outstanding[0].only = &s.sa.outstanding[0].paths[0]
	s.sa.lastMove = 5
	s.left = fromTo(gwAddr2, ueAddr2)
	s.localGone, s.natRetries, s.unproven = true, 1, []unproven{{ueAddr2, 300}, {netip.Addr{}, 200}}
	s.sa.nextSend, s.natReference, s.lastSent = 12, []byte{1}, w.now
	s.sa.outstanding[0].inner = []message.Payload{&message.Nonce{Data: make([]byte, 32)}}
	s.sa.taken[0].inner, s.sa.taken[0].to = []message.Payload{&message.Nonce{Data: make([]byte, 16)}}, s.path
	s.sa.outstanding[0].giveUp, s.sa.outstanding[0].notBefore = 10*time.Minute, w.now
	s.sa.queue[0].notBefore = w.now.Add(time.Minute)
	p := s.sa.queue[0].carries.(*pendingChild)
	p.since, p.regrouped, p.ni, p.spi, p.gone = w.now, true, s.nonce(), 4000, []uint32{5000}
	p.proposals = suite.Offer(p.policy, spiBytes(p.spi))
	s.reserved = append(s.reserved, 4000)
	p.old, p.rekeys = s.children[0], s.children[0].sa.InboundSPI
	p.old.rekey = p
	s.redirect = redirection{able: true, from: Gateway{Name: "other"}, times: []time.Time{epoch.Add(-time.Minute)}}
	s.sync = syncing{true, true, 7, 8, [][]byte{{1}}}
	s.now = epoch
	return s, g
}

// fieldTypes are the structs whose fields are looked at one by one; all others count as one value.
var fieldTypes = []reflect.Type{
	reflect.TypeFor[Session](), reflect.TypeFor[mobility](), reflect.TypeFor[routability](), reflect.TypeFor[provenPath](), reflect.TypeFor[unproven](), reflect.TypeFor[rebinding](), reflect.TypeFor[moveCount](), reflect.TypeFor[switching](),
	reflect.TypeFor[ikeSA](), reflect.TypeFor[term](), reflect.TypeFor[request](), reflect.TypeFor[child](), reflect.TypeFor[ChildSA](),
	reflect.TypeFor[syncing](), reflect.TypeFor[redirection](),
	reflect.TypeFor[receiving](), reflect.TypeFor[taken](), reflect.TypeFor[pendingChild](), reflect.TypeFor[pendingNotify](), reflect.TypeFor[ChildRequest](),
}

// walk goes through everything that hangs on v and shows every field of fieldTypes that is not transient.
func walk(v reflect.Value, path string, see func(path, name string, field reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), path, see)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), see)
		}
	case reflect.Struct:
		t := v.Type()
		if !slices.Contains(fieldTypes, t) {
			return
		}
		for i := range v.NumField() {
			f, name := t.Field(i), t.Name()+"."+t.Field(i).Name
			if _, stays := transient[name]; stays {
				continue
			}
			field := reflect.NewAt(f.Type, unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
			see(path+"."+f.Name, name, field)
			walk(field, path+"."+f.Name, see)
		}
	}
}

// fill gives a field that is still zero another value where that can be any.
func fill(_, _ string, f reflect.Value) {
	if !f.IsZero() {
		return
	}
	switch v := f.Addr().Interface().(type) {
	case *time.Time:
		*v = epoch.Add(-3 * time.Second)
	case *netip.AddrPort:
		*v = netip.MustParseAddrPort("192.0.2.77:7")
	case *netip.Addr:
		*v = ueAddr
	case *[]byte:
		*v = []byte{1, 2, 3}
	}
	switch {
	case f.Kind() == reflect.Bool:
		f.SetBool(true)
	case f.CanInt():
		f.SetInt(3)
	case f.CanUint():
		f.SetUint(3)
	case f.Kind() == reflect.String:
		f.SetString("filled")
	}
}

// contents renders every field of a session that travels, and names those that have a value somewhere.
func contents(t *testing.T, s *Session, now time.Time) (values map[string]string, used map[string]bool) {
	values, used = map[string]string{}, map[string]bool{}
	walk(reflect.ValueOf(s), "session", func(path, name string, f reflect.Value) {
		used[name] = used[name] || !f.IsZero()
		switch v := f.Interface().(type) {
		case time.Time:
			values[path] = v.Sub(now).String()
			if v.IsZero() {
				values[path] = "never"
			}
			return
		case []time.Time:
			for _, at := range v {
				values[path] += at.Sub(now).String()
			}
			return
		case *suite.KeyExchange:
			if v != nil {
				values[path] = hex.EncodeToString(v.Public())
			}
			return
		}
		of := f.Type()
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if slices.Contains(fieldTypes, of) {
			return // its own fields follow
		}
		data, err := json.Marshal(f.Interface())
		require.NoError(t, err, path)
		values[path] = string(data)
	})
	return values, used
}

// Every field of a session travels or is declared transient. Whoever adds a field to one of these types finds out here.
func TestEveryFieldTravels(t *testing.T) {
	s, opt := richSession(t)
	walk(reflect.ValueOf(s), "session", fill)
	for name := range transient {
		known := slices.ContainsFunc(fieldTypes, func(of reflect.Type) bool {
			field, ok := strings.CutPrefix(name, of.Name()+".")
			_, has := of.FieldByName(field)
			return ok && has
		})
		require.True(t, known, "transient names %s, which does not exist", name)
	}
	want, used := contents(t, s, epoch)
	for name, value := range used {
		require.True(t, value, "%s has no value in richSession: give it one there and a line in export_fields.go, or a reason in transient", name)
	}
	ivs := s.sa.out.(*suite.Protector).IVs()
	blob, err := s.Export(epoch, &transferKey, nil)
	require.NoError(t, err)
	later := epoch.Add(time.Hour)
	next, _, err := ImportSession(later, opt, &transferKey, nil, blob)
	require.NoError(t, err)
	have, _ := contents(t, next, later)
	for path, value := range want {
		require.Equal(t, value, have[path], "%s does not travel: add it to export_fields.go, or to transient with a reason", path)
	}
	require.Len(t, have, len(want))
	require.Equal(t, ivs, next.sa.out.(*suite.Protector).IVs())
}

// Version 1 as it was written when it was new can be read for ever. The file is never made anew.
func TestGoldenExport(t *testing.T) {
	blob, err := os.ReadFile("testdata/session.v1")
	require.NoError(t, err)
	opt := Options{}
	tagged(&opt)
	key := TransferKey([]byte("golden test of exported sessions"))
	s, out, err := ImportSession(epoch, opt, &key, []byte("golden"), blob)
	require.NoError(t, err)
	require.Equal(t, epoch.Add(2268671264), out.Deadline)
	require.EqualValues(t, uint64(14390895775268855057), s.SPI())
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), s.Path())
	require.Equal(t, reverse(uePath(ueAddr, 4500)), s.ChildPath())
	require.Equal(t, "gw", s.Children()[0].Tag)
	require.Len(t, s.Children(), 1)
	require.Len(t, s.sa.outstanding, 1)
	require.Len(t, s.sa.queue, 3)
	require.Len(t, s.LocalSPIs(), 2)

	// What is written now has the same fields, and those that came later if they have a value.
	again, err := s.Export(epoch, &key, []byte("golden"))
	require.NoError(t, err)
	plain := func(blob []byte) (v map[string]any) {
		plain, err := key.aead().Open(nil, blob[1:13], blob[13:], associatedData(1, []byte("golden")))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(plain, &v))
		return v
	}
	contained(t, "session", plain(blob), plain(again))
}

// contained checks that all of old is in later as well.
func contained(t *testing.T, path string, old, later any) {
	switch old := old.(type) {
	case map[string]any:
		require.IsType(t, old, later, path)
		for name, v := range old {
			contained(t, path+"."+name, v, later.(map[string]any)[name])
		}
	case []any:
		require.Len(t, later, len(old), path)
		for i, v := range old {
			contained(t, fmt.Sprintf("%s[%d]", path, i), v, later.([]any)[i])
		}
	default:
		require.Equal(t, old, later, path)
	}
}
