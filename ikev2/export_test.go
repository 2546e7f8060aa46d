// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

var transferKey = TransferKey{1, 2, 3}

// tagged gives o hooks for tags that are strings or numbers.
func tagged(o *Options) {
	o.MarshalTag = json.Marshal
	o.UnmarshalTag = func(data []byte) (any, error) {
		var tag any
		err := json.Unmarshal(data, &tag)
		if f, ok := tag.(float64); ok {
			tag = int(f)
		}
		return tag, err
	}
}

// hop hands the session of n to another node, so to speak. The nonce of the export is drawn from elsewhere, so that the
// session's own source of randomness stands where it stood.
func hop(t testing.TB, n *node) error {
	s := n.s
	random := s.opt.Rand
	s.opt.Rand = crand.Reader
	blob, err := s.Export(n.w.now, &transferKey, []byte(n.name))
	s.opt.Rand = random
	if err != nil {
		return err
	}
	var next *Session
	var out Output
	if n.name == "gw" {
		next, out, err = n.w.gw.front.Import(n.w.now, &transferKey, []byte("gw"), blob)
	} else {
		next, out, err = ImportSession(n.w.now, *s.opt, &transferKey, []byte("ue"), blob)
	}
	require.NoError(t, err)
	require.Empty(t, out.Datagrams)
	require.Empty(t, out.Events)
	require.Equal(t, n.deadline, out.Deadline)
	require.True(t, s.Closed())
	n.s = next
	return nil
}

// life is all that two peers sent, and all that their owners heard, in a life full of changes on a bad network. With
// hops each session is handed on at random moments.
func life(t *testing.T, seed int64, hops bool) (transcript []string, handed int) {
	w := newWorld(t, seed)
	w.loss, w.dup = 0.2, 0.2
	w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(400)) * time.Millisecond }
	w.workDelay = 2 * time.Millisecond
	note := func(format string, args ...any) {
		transcript = append(transcript, w.now.Sub(epoch).String()+" "+fmt.Sprintf(format, args...))
	}
	w.sniff = func(fromUE bool, d Datagram) { note("%v %v %x", fromUE, d.Path, d.Data) }
	hear := func(n *node, e Event) {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		note("%s %T %s", n.name, e, data)
		authorizeAll(n, e)
	}
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	for _, o := range []*Options{&o, &g} {
		o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "asked"}, nil }
		o.Liveness = 20 * time.Second
		o.Routability = Routability(seed % 3)
		tagged(o)
		if seed%2 == 0 {
			o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519, suite.GroupNone)
		}
		if seed%4 == 3 {
			cbc := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA2_256_128,
				PRF: suite.PRF_HMAC_SHA2_256, Group: suite.ECP_256}
			o.IKE = []message.Proposal{cbc.Proposal(1, nil)}
		}
	}
	w.serve(g, hear)
	ue := w.dial(o, wantChild(), hear)
	dice := rand.New(rand.NewSource(seed))
	w.between = func() {
		for _, n := range w.all() {
			if hops && n.s.Established() && dice.Intn(10) == 0 {
				var notNow *NotPortableError
				switch err := hop(t, n); {
				case err == nil:
					handed++
				case !errors.As(err, &notNow):
					require.NoError(t, err)
				}
			}
		}
	}
	w.run(2*time.Minute, func() bool { return ue.s.Established() && w.gw.last().s.Established() })
	require.True(t, ue.s.Established(), "seed %d", seed)
	gw := w.gw.last()
	paths := []Path{uePath(ueAddr, 4500), uePath(ueAddr2, 4500), uePath(ueAddr2, 6000), uePath(ueAddr6, 4500)}
	for i := range 30 {
		n := []*node{ue, gw}[w.rng.Intn(2)]
		switch c := n.s.Children(); w.rng.Intn(8) {
		case 0, 1:
			n.take(n.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
		case 2:
			ue.take(ue.s.Move(w.now, paths[w.rng.Intn(len(paths))]))
		case 3:
			n.take(n.s.Probe(w.now))
		case 4:
			if len(c) > 1 {
				n.take(n.s.DeleteChild(w.now, c[0].InboundSPI))
			}
		case 6:
			n.take(n.s.RekeyIKE(w.now))
		case 7:
			if len(c) > 0 {
				n.take(n.s.RekeyChild(w.now, c[w.rng.Intn(len(c))].InboundSPI))
			}
		case 5:
			n.take(n.s.Notify(w.now, i, notify(message.NotifyType(50000), []byte{byte(i)})))
		}
		w.run(time.Duration(w.rng.Intn(3000))*time.Millisecond, nil)
	}
	w.loss = 0
	w.run(6*time.Minute, nil)
	if !ue.s.Closed() && !gw.s.Closed() {
		sameKeys(t, ue.s, gw.s)
		gw.take(gw.s.Delete(w.now))
	}
	w.run(time.Minute, nil)
	return transcript, handed
}

// A session that is handed on again and again, in the middle of everything, says the same to the last bit, at the same
// times, as one that stays where it is.
func TestHandedOnSessionContinues(t *testing.T) {
	for seed := int64(1); seed <= 24; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			want, _ := life(t, seed, false)
			have, handed := life(t, seed, true)
			require.Greater(t, handed, 10)
			for i := range min(len(want), len(have)) {
				require.Equal(t, want[i], have[i], "line %d", i)
			}
			require.Len(t, have, len(want))
		})
	}
}

func TestExportedSessionIsDead(t *testing.T) {
	w := newWorld(t, 80)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	tagged(&g)
	ue, gw := w.up(o, g)
	dead := gw.s
	var sent []Datagram
	w.sniff = func(fromUE bool, d Datagram) { sent = append(sent, d) }
	ue.take(ue.s.Probe(w.now))
	probe := sent[0]
	gw.take(dead.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	require.NoError(t, hop(t, gw))
	require.True(t, dead.Closed())
	require.Empty(t, dead.Children())
	for _, out := range []Output{
		dead.Receive(w.now, reverse(probe.Path), probe.Data), dead.Timeout(w.now.Add(time.Hour)), dead.Delete(w.now), dead.Probe(w.now),
		dead.Rebind(w.now, uePath(ueAddr2, 1)), dead.DeleteChild(w.now, 1),
	} {
		require.Equal(t, Output{}, out)
	}
	require.Equal(t, ErrState, dead.CreateChild(w.now, ChildRequest{}).Events[0].(ChildFailed).Err)
	require.Equal(t, ErrState, dead.Notify(w.now, nil).Events[0].(InfoDone).Err)
	_, err := dead.Export(w.now, &transferKey, nil)
	require.Error(t, err)
	w.run(time.Second, nil)
	require.Len(t, ue.s.Children(), 1, "gw refuses what it was not asked for; its own request is answered") // no AcceptChild at the UE
	require.Len(t, got[ChildFailed](gw), 1)
	require.Len(t, got[Alive](ue), 1, "the new one answers")
}

// A snapshot leaves the session as it is, and makes the same one as Export.
func TestSnapshotLeavesTheSession(t *testing.T) {
	w := newWorld(t, 82)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	tagged(&g)
	ue, gw := w.up(o, g)
	for range 2 {
		blob, err := gw.s.Snapshot(w.now, &transferKey, []byte("gw"))
		require.NoError(t, err)
		heir, out, err := w.gw.front.Import(w.now, &transferKey, []byte("gw"), blob)
		require.NoError(t, err)
		require.Equal(t, gw.deadline, out.Deadline)
		require.Equal(t, gw.s.LocalSPIs(), heir.LocalSPIs())
		require.Len(t, heir.Children(), len(gw.s.Children()))
	}
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Alive](ue), 1, "it goes on")
	require.NoError(t, hop(t, gw))
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Alive](ue), 2)
}

func TestExportErrors(t *testing.T) {
	w := newWorld(t, 81)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	w.workDelay = time.Millisecond
	g.ESP = suite.WithGroups(g.ESP, suite.CURVE25519, suite.GroupNone)
	ue, gw := w.up(o, g)
	what := func(s *Session) string {
		_, err := s.Export(w.now, &transferKey, nil)
		var e *NotPortableError
		require.ErrorAs(t, err, &e)
		require.Contains(t, err.Error(), e.What)
		return e.What
	}
	require.Equal(t, "a tag without Options.MarshalTag", what(gw.s))
	require.True(t, gw.s.Established(), "nothing has changed")
	tagged(gw.s.opt)
	out := gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: 1})
	require.Equal(t, "public-key work is under way", what(gw.s))
	gw.take(out)

	// Quiesce waits for that, and holds the request itself back.
	gw.take(gw.s.Quiesce(w.now))
	require.Empty(t, got[Quiescent](gw))
	w.run(time.Second, nil)
	require.Len(t, got[Quiescent](gw), 1)
	require.Len(t, gw.s.sa.queue, 1)
	in := ask(w, ue, message.CREATE_CHILD_SA,
		&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(300))}, &message.Nonce{Data: ue.s.nonce()},
		&message.TSi{TrafficSelectors: anyTS()}, &message.TSr{TrafficSelectors: anyTS()})
	require.Equal(t, message.TEMPORARY_FAILURE, message.ErrorNotify(in).Type)
	gw.take(gw.s.Resume(w.now))
	w.run(time.Second, nil)
	require.Empty(t, gw.s.sa.queue)
	require.Len(t, got[ChildFailed](gw), 1, "the UE takes none, but it was asked")

	gw.take(gw.s.Delete(w.now))
	require.Equal(t, "the IKE SA is being deleted", what(gw.s))
	half := newWorld(t, 82)
	half.serve(g, authorizeAll)
	half.dial(o, wantChild(), nil)
	require.Equal(t, "the IKE SA is not up yet", what(half.ue.s))
}

func TestImportErrors(t *testing.T) {
	w := newWorld(t, 83)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	tagged(&g)
	_, gw := w.up(o, g)
	blob, err := gw.s.Export(w.now, &transferKey, []byte("node B"))
	require.NoError(t, err)
	try := func(key TransferKey, associated string, blob []byte) error {
		s, out, err := ImportSession(w.now, g, &key, []byte(associated), blob)
		if err != nil {
			require.Nil(t, s)
			require.Equal(t, Output{}, out)
		}
		return err
	}
	require.NoError(t, try(transferKey, "node B", blob))
	require.ErrorIs(t, try(TransferKey{9}, "node B", blob), ErrTransferKey)
	require.ErrorIs(t, try(transferKey, "node C", blob), ErrTransferKey)
	for i := range blob {
		changed := append([]byte(nil), blob...)
		changed[i] ^= 1
		if i == 0 {
			require.ErrorIs(t, try(transferKey, "node B", changed), ErrTransferVersion)
			continue
		}
		require.ErrorIs(t, try(transferKey, "node B", changed), ErrTransferKey)
	}
	for n := range 13 {
		require.ErrorIs(t, try(transferKey, "node B", blob[:n]), ErrTransferContent)
	}
	require.ErrorIs(t, try(transferKey, "node B", make([]byte, maxExport+1)), ErrTransferContent)
	g.UnmarshalTag = nil
	require.ErrorContains(t, try(transferKey, "node B", blob), "UnmarshalTag")
}

// sealExport makes a blob of any content.
func sealExport(plain []byte) []byte {
	blob := make([]byte, 1+exportNonce)
	blob[0] = exportVersion
	return transferKey.aead().Seal(blob, blob[1:], plain, associatedData(exportVersion, nil))
}

func openExport(t testing.TB, blob []byte) []byte {
	plain, err := transferKey.aead().Open(nil, blob[1:13], blob[13:], associatedData(exportVersion, nil))
	require.NoError(t, err)
	return plain
}

// Content that whoever has the key may send, and that makes no session.
func TestHostileExports(t *testing.T) {
	s, opt := richSession(t)
	blob, err := s.Export(epoch, &transferKey, nil)
	require.NoError(t, err)
	good := openExport(t, blob)
	for name, change := range map[string]func(v map[string]any){
		"unknown field":        func(v map[string]any) { v["later"] = 1 },
		"unknown inner field":  func(v map[string]any) { v["ikeSA"].(map[string]any)["later"] = 1 },
		"no IKE SA":            func(v map[string]any) { delete(v, "ikeSA") },
		"IKE SA null":          func(v map[string]any) { v["ikeSA"] = nil },
		"no keys":              func(v map[string]any) { delete(v["ikeSA"].(map[string]any), "keys") },
		"short keys":           func(v map[string]any) { v["ikeSA"].(map[string]any)["keys"].(map[string]any)["EI"] = "AA==" },
		"short SK_d":           func(v map[string]any) { v["ikeSA"].(map[string]any)["keys"].(map[string]any)["D"] = "AA==" },
		"no suite":             func(v map[string]any) { delete(v["ikeSA"].(map[string]any), "suite") },
		"SPI 0":                func(v map[string]any) { delete(v["ikeSA"].(map[string]any), "spiI") },
		"window 0":             func(v map[string]any) { delete(v["ikeSA"].(map[string]any), "window") },
		"window 1000":          func(v map[string]any) { v["ikeSA"].(map[string]any)["window"] = 1000 },
		"no path":              func(v map[string]any) { delete(v, "path") },
		"a number for a path":  func(v map[string]any) { v["path"] = 7 },
		"unknown request":      func(v map[string]any) { first(v, "ikeSA", "queue")["kind"] = "dance" },
		"no private key":       func(v map[string]any) { delete(first(v, "ikeSA", "queue"), "key") },
		"bad private key":      func(v map[string]any) { first(v, "ikeSA", "queue")["key"] = "AA==" },
		"notify null":          func(v map[string]any) { first(v, "ikeSA", "queue")["notifies"] = []any{nil} },
		"never sent":           func(v map[string]any) { delete(first(v, "ikeSA", "outstanding"), "datagrams") },
		"sent nowhere":         func(v map[string]any) { delete(first(v, "ikeSA", "outstanding"), "paths") },
		"no wait":              func(v map[string]any) { delete(first(v, "ikeSA", "outstanding"), "wait") },
		"of the future":        func(v map[string]any) { first(v, "ikeSA", "outstanding")["messageID"] = 1 << 30 },
		"child without keys":   func(v map[string]any) { delete(first(v, "children"), "inboundKeys") },
		"child with SPI 0":     func(v map[string]any) { delete(first(v, "children"), "outboundSPI") },
		"child null":           func(v map[string]any) { v["children"] = []any{nil} },
		"twice the same child": func(v map[string]any) { v["children"] = []any{first(v, "children"), first(v, "children")} },
		"too many children":    func(v map[string]any) { v["children"] = make([]any, maxChildren+1) },
		"too many addresses":   func(v map[string]any) { v["peerAddresses"] = make([]string, maxAddresses+1) },
		"no time":              func(v map[string]any) { v["lastHeard"] = "soon" },
	} {
		t.Run(name, func(t *testing.T) {
			var v map[string]any
			require.NoError(t, json.Unmarshal(good, &v))
			change(v)
			plain, err := json.Marshal(v)
			require.NoError(t, err)
			_, _, err = ImportSession(epoch, opt, &transferKey, nil, sealExport(plain))
			require.ErrorIs(t, err, ErrTransferContent)
		})
	}
	for _, plain := range []string{"", "null", "[]", "{", "{}", `"x"`, "{}{}"} {
		_, _, err := ImportSession(epoch, opt, &transferKey, nil, sealExport([]byte(plain)))
		require.ErrorIs(t, err, ErrTransferContent, plain)
	}
}

// first finds the first object of a list of objects.
func first(v map[string]any, names ...string) map[string]any {
	for _, n := range names[:len(names)-1] {
		v = v[n].(map[string]any)
	}
	return v[names[len(names)-1]].([]any)[0].(map[string]any)
}

// FuzzImport gives content of every kind to ImportSession, and what it accepts has to live.
func FuzzImport(f *testing.F) {
	s, opt := richSession(f)
	blob, err := s.Export(epoch, &transferKey, nil)
	require.NoError(f, err)
	f.Add(openExport(f, blob))
	f.Add([]byte("{}"))
	f.Add([]byte(`{"ikeSA":{"spiI":1,"spiR":2,"window":1}}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if s, _, err := ImportSession(epoch, opt, &transferKey, nil, plain); err == nil {
			t.Fatalf("a blob that nobody sealed: %v", s.SPI())
		}
		s, out, err := ImportSession(epoch, opt, &transferKey, nil, sealExport(plain))
		if err != nil {
			return
		}
		now := epoch
		for range 20 {
			if out.Deadline.After(now) {
				now = out.Deadline
			}
			for _, k := range out.Work {
				k.Run()
				s.Done(now, k)
			}
			out = s.Timeout(now)
		}
		s.Receive(now, s.Path(), plain)
		s.CreateChild(now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()})
		s.Move(now, uePath(ueAddr2, 4500))
		blob, err := s.Export(now, &transferKey, nil)
		if err != nil {
			return
		}
		if _, _, err := ImportSession(now, opt, &transferKey, nil, blob); err != nil {
			t.Fatalf("what was imported cannot be imported again: %v", err)
		}
	})
}

// Who imports a session that has moved installs its Child SAs where they are now, not where they came up.
func TestImportedChildrenAreWhereTheyMoved(t *testing.T) {
	w := newWorld(t, 95)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	tagged(&o)
	tagged(&g)
	ue, gw := w.up(o, g)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(5*time.Second, nil)
	for _, n := range []*node{ue, gw} {
		path := n.s.ChildPath()
		require.Contains(t, []Path{uePath(ueAddr2, 4500), reverse(uePath(ueAddr2, 4500))}, path)
		require.NoError(t, hop(t, n))
		require.Equal(t, path, n.s.ChildPath())
		require.Equal(t, path, n.s.Children()[0].Path)
	}
}
