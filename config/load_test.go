// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

var byValue = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()}

func TestMinimal(t *testing.T) {
	dir := folder(t)
	c, err := Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(minimal))
	require.NoError(t, err)
	require.Equal(t, PLMN{"001", "01"}, c.N3IWF.GlobalN3IWFID.PLMN)
	require.Equal(t, []SNSSAI{{SST: 1}}, c.N3IWF.SupportedTAs[0].PLMNs[0].Slices)
	require.Equal(t, testFQDN, c.NWu.Identity)
	require.Equal(t, netip.MustParseAddr("10.60.0.1"), c.NWu.NAS.IPv4)
	require.Equal(t, netip.MustParseAddr("10.60.0.2"), c.NWu.UserPlane.IPv4)
	require.False(t, c.NWu.NAS.IPv6.IsValid())
	require.Equal(t, uint16(38412), c.N2.AMFs[0].Port)
	chain, key, err := c.NWu.Certificate.Load()
	require.NoError(t, err)
	require.Len(t, chain, 2)
	require.NotNil(t, key)
}

// An AMF address, a PLMN, a certificate and a UE range are enough.
func TestLeast(t *testing.T) {
	dir := folder(t)
	_, others, ok := strings.Cut(minimal, "\nnwu:")
	require.True(t, ok)
	parse := func(n3iwf string) (*Config, error) {
		return Parse(filepath.Join(dir, "n3iwf.yaml"), []byte("n3iwf: "+n3iwf+"\nnwu:"+others))
	}
	c, err := parse(`{globalN3IWFID: {plmn: {mcc: "208", mnc: "93"}}}`)
	require.NoError(t, err)
	plmn := PLMN{"208", "93"}
	want := []SupportedTA{{TAC: 1, PLMNs: []ServedPLMN{{PLMN: plmn, Slices: []SNSSAI{{SST: 1}}}}}}
	require.Equal(t, want, c.N3IWF.SupportedTAs)
	c, err = parse(`{supportedTAs: [{plmns: [{plmn: {mcc: "208", mnc: "93"}}]}]}`)
	require.NoError(t, err)
	require.Equal(t, want, c.N3IWF.SupportedTAs)
	require.Equal(t, plmn, c.N3IWF.GlobalN3IWFID.PLMN)
	_, err = parse(`{supportedTAs: [], globalN3IWFID: {plmn: {mcc: "208", mnc: "9"}}}`)
	require.ErrorContains(t, err, `n3iwf.globalN3IWFID.plmn.mnc: "9" is not a mobile network code`)
}

// The example documents every key with its default: it must name each key that exists, and where a key has a default
// it must give that one.
func TestExample(t *testing.T) {
	dir := folder(t)
	text, err := os.ReadFile("n3iwf.example.yaml")
	require.NoError(t, err)
	c, err := Parse(filepath.Join(dir, "n3iwf.yaml"), text)
	require.NoError(t, err)

	d := &decoder{lines: map[string]int{}, bad: map[string]bool{}}
	root, ok := d.parse(text)
	require.True(t, ok)
	d.value(root, reflect.ValueOf(Default()).Elem(), "", "")
	for key := range everyKey(reflect.TypeFor[Config](), "") {
		require.True(t, d.given(key), "the example does not show %s", key)
	}

	// The smallest file that gives the example's own choices, and leaves all else to the defaults.
	small := strings.NewReplacer(`mnc: "01"}`, `mnc: "01"}`+"\n          slices: [{sst: 1, sd: \"010203\"}]",
		"{chain: n3iwf.pem, key: n3iwf.key}", "{chain: n3iwf.pem, key: n3iwf.key, further: [{chain: further.pem, key: further.key}]}",
		"{ipv4: [10.60.0.0/16]}", `{ipv4: [10.60.0.0/16], ipv6: ["fd00:60::/64"]}`+"\n  userPlane: {dscp: [{fiveQI: 1, dscp: 46}, {fiveQI: 2, dscp: 34}]}").Replace(minimal) +
		"n3: {dscp: [{fiveQI: 1, dscp: 46}]}\ncluster: {peers: [{node: 1, address: 192.0.2.12}], key: cluster.key}\n"
	want, err := Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(small))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, c, byValue), "the example differs from the defaults")
}

func TestLabExample(t *testing.T) {
	text, err := os.ReadFile("lab.example.yaml")
	require.NoError(t, err)
	c, err := Parse(filepath.Join(folder(t), "n3iwf.yaml"), text)
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddr("127.0.0.1"), c.N2.AMFs[0].Addresses[0])
}

// Every default must be a value that a file could give, and every tag must be readable.
func TestDefaultsAreInRange(t *testing.T) {
	check := func(v reflect.Value, key string, tag reflect.StructTag) {
		d := &decoder{lines: map[string]int{}, bad: map[string]bool{}}
		d.scalar(fmt.Sprint(v.Interface()), reflect.New(v.Type()).Elem(), key, tag)
		require.Empty(t, d.problems)
	}
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		for i := range v.NumField() {
			f, tag := v.Field(i), v.Type().Field(i).Tag
			name := join(key, tag.Get("yaml"))
			switch {
			case tag.Get("enum") != "" || tag.Get("range") != "":
				check(f, name, tag)
			case f.Kind() == reflect.Struct && f.Type().PkgPath() == reflect.TypeFor[Config]().PkgPath():
				walk(f, name)
			case f.Type() == reflect.TypeFor[time.Duration](), f.Kind() == reflect.Int:
				t.Errorf("%s has no range", name)
			}
		}
	}
	walk(reflect.ValueOf(*Default()), "")
	walk(reflect.ValueOf(DefaultAMF()), "n2.amfs[0]")
}

// everyKey lists the paths of all keys, with [0] for list entries.
func everyKey(t reflect.Type, key string) map[string]bool {
	keys := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		path := join(key, f.Tag.Get("yaml"))
		keys[path] = true
		ft := f.Type
		if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct && ft.Elem().PkgPath() == t.PkgPath() {
			ft, path = ft.Elem(), path+"[0]"
		}
		if ft.Kind() == reflect.Struct && ft.PkgPath() == t.PkgPath() {
			for k := range everyKey(ft, path) {
				keys[k] = true
			}
		}
	}
	return keys
}

func TestRedacted(t *testing.T) {
	dir := folder(t)
	key, err := os.ReadFile(filepath.Join(dir, "n3iwf.key"))
	require.NoError(t, err)
	inline := "key: |\n      " + strings.ReplaceAll(strings.TrimSpace(string(key)), "\n", "\n      ")
	text := strings.Replace(minimal, "  certificate: {chain: n3iwf.pem, key: n3iwf.key}", "  certificate:\n    chain: n3iwf.pem\n    "+inline, 1)
	c, err := Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(text))
	require.NoError(t, err)
	secret := strings.Split(string(key), "\n")[1]
	for _, shown := range []string{c.Redacted(), fmt.Sprintf("%v %+v %#v %s", c, *c, c.NWu.Certificate, c.NWu.Certificate.Key)} {
		require.NotContains(t, shown, secret)
		require.Contains(t, shown, "[redacted]")
	}
	require.Contains(t, c.Redacted(), "amfAnswer: 10s")
	require.Contains(t, c.Redacted(), "10.60.0.0/16")

	// What is shown is itself a configuration, apart from what was hidden.
	again := strings.Replace(c.Redacted(), "'[redacted]'", "n3iwf.key", 1)
	again = strings.Replace(again, `"[redacted]"`, "n3iwf.key", 1)
	d, err := Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(again))
	require.NoError(t, err, again)
	d.NWu.Certificate.Key = c.NWu.Certificate.Key
	require.Empty(t, cmp.Diff(c, d, byValue))
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "none.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
}
