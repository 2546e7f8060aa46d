// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each case changes the minimal file by replacing one text by another (or appends, when from is empty), and lists the
// whole report, without the file's name.
func TestProblems(t *testing.T) {
	dir := folder(t)
	other, otherKey := issue(t, leaf(), nil, nil)
	stranger, _ := issue(t, leaf(), nil, nil)
	write(t, dir, "other.key", keyPEM(t, otherKey))
	write(t, dir, "unordered.pem", certPEM(other, stranger))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	write(t, dir, "weak.key", keyPEM(t, weak))
	old := leaf()
	old.NotBefore, old.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	oldCert, oldKey := issue(t, old, nil, nil)
	write(t, dir, "old.pem", certPEM(oldCert))
	write(t, dir, "old.key", keyPEM(t, oldKey))
	bare := leaf()
	bare.DNSNames, bare.IPAddresses = nil, nil
	bareCert, bareKey := issue(t, bare, nil, nil)
	write(t, dir, "bare.pem", certPEM(bareCert))
	write(t, dir, "bare.key", keyPEM(t, bareKey))

	const certificate = "{chain: n3iwf.pem, key: n3iwf.key}"
	secondTA := func(tac, mnc string) string {
		return "\n    - tac: \"" + tac + "\"\n      plmns:\n        - plmn: {mcc: \"001\", mnc: \"" + mnc + "\"}\nnwu:"
	}
	for _, tt := range []struct {
		name, from, to string
		want           []string
	}{
		{"unknown key", "", "n3:\n  adresses: [127.0.0.1]\n", []string{"13: n3.adresses: unknown key; did you mean addresses?"}},
		{"unknown key, far", "", "log: {colour: red}\n", []string{"12: log.colour: unknown key; remove it; the keys here are: level, format, linesPerSecond"}},
		{"unknown section", "", "amf: {}\n", []string{"12: amf: unknown key; remove it; the keys here are: n3iwf, nwu, n2, n3, cluster, limits, timers, dataPlane, management, log, debug"}},
		{"cluster alone", "", "cluster: {enabled: true}\n", []string{
			"6: nwu.addresses: does not name the addresses of this node, which the others must know; list those that UEs reach one by one",
			"12: cluster.peers: is missing; give at least 1 other node",
			"12: cluster.key: is missing; make the same file for all nodes with: openssl rand -hex 32"}},
		{"cluster in the kernel", "", "cluster: {enabled: true, peers: [{node: 1, address: 192.0.2.12}], key: " + strings.Repeat("07", 32) + "}\ndataPlane: {kind: kernel}\n",
			[]string{"6: nwu.addresses: does not name the addresses of this node, which the others must know; list those that UEs reach one by one",
				"13: dataPlane.kind: of kernel cannot hand UEs to other nodes; write user, or remove the cluster"}},
		{"cluster peers", "", "cluster:\n  enabled: true\n  node: 1\n  nodeBits: 1\n  key: " + strings.Repeat("07", 32) + "\n  peers:\n    - node: 1\n    - {node: 2, address: 0.0.0.0}\n", []string{
			"6: nwu.addresses: does not name the addresses of this node, which the others must know; list those that UEs reach one by one",
			"18: cluster.peers[0].node: 1 is there twice, or is this node's own; give each node its own number",
			"18: cluster.peers[0].address: is missing; give the address of the node",
			"19: cluster.peers[1].node: 2 does not fit 1 bits; give 0 to 1, or enlarge cluster.nodeBits at all nodes",
			"19: cluster.peers[1].address: 0.0.0.0 names no single address; write the address itself"}},
		{"5QI twice", "  uePools:", "  userPlane: {pathMTU: 500, dscp: [{fiveQI: 1, dscp: 46}, {fiveQI: 1, dscp: 10}]}\n  uePools:", []string{
			"8: nwu.userPlane.dscp[1].fiveQI: 1 is there twice; remove one of them", "8: nwu.userPlane.pathMTU: 500 is less than any IP path has; give 576 or more, or 0",
		}},
		{"case counts", "supportedTAs", "supportedTas", []string{
			"1: n3iwf.supportedTAs: is missing; give at least 1 tracking area",
			"2: n3iwf.supportedTas: unknown key; did you mean supportedTAs?"}},
		{"duplicate key", "", "n2:\n  amfs: []\n", []string{"12: n2: stands here and on line 9; remove one of them"}},
		{"bad AMF address", "192.0.2.10", "192.0.2.300", []string{`11: n2.amfs[0].addresses[0]: "192.0.2.300" is not an IP address; write one such as 192.0.2.1 or "2001:db8::1", without port or prefix length`}},
		{"AMF address with port", "192.0.2.10", `"192.0.2.10:38412"`, []string{`11: n2.amfs[0].addresses[0]: "192.0.2.10:38412" is not an IP address; write one such as 192.0.2.1 or "2001:db8::1", without port or prefix length`}},
		{"multicast AMF", "192.0.2.10", "224.0.0.1", []string{"11: n2.amfs[0].addresses[0]: 224.0.0.1 is not a unicast address; write a unicast address"}},
		{"wildcard AMF", "192.0.2.10", "0.0.0.0", []string{"11: n2.amfs[0].addresses[0]: 0.0.0.0 names no single address; write the address itself"}},
		{"mapped AMF", "192.0.2.10", `"::ffff:192.0.2.10"`, []string{"11: n2.amfs[0].addresses[0]: ::ffff:192.0.2.10 is an IPv4 address in IPv6 form; write 192.0.2.10"}},
		{"same AMF twice", "", "    - addresses: [192.0.2.11, 192.0.2.10]\n", []string{"12: n2.amfs[1].addresses[1]: 192.0.2.10:38412 is also n2.amfs[0].addresses[0] (line 11); remove one of them"}},
		{"no AMF", "    - addresses: [192.0.2.10]\n", "      []\n", []string{"10: n2.amfs: has 0 entries; give 1 to 64"}},
		{"local address of another family", "", "  localAddresses: [\"2001:db8::1\"]\n", []string{"12: n2.localAddresses[0]: 2001:db8::1 is of an IP family that no AMF address has; remove it, or add the AMF's address of that family"}},
		{"missing certificate", "n3iwf.pem", "nowhere.pem", []string{"7: nwu.certificate.chain: cannot be read: open DIR/nowhere.pem: no such file or directory; name a readable PEM file with the certificate and its intermediates"}},
		{"missing key", "n3iwf.key", "nowhere.key", []string{"7: nwu.certificate.key: cannot be read: open DIR/nowhere.key: no such file or directory; name a readable PEM file with the private key"}},
		{"both missing", certificate, "{chain: a, key: b}", []string{
			"7: nwu.certificate.chain: cannot be read: open DIR/a: no such file or directory; name a readable PEM file with the certificate and its intermediates",
			"7: nwu.certificate.key: cannot be read: open DIR/b: no such file or directory; name a readable PEM file with the private key"}},
		{"no certificate section", "  certificate: " + certificate + "\n", "", []string{"6: nwu.certificate: is missing; name the PEM files of the certificate (chain) and of its private key (key)"}},
		{"no chain", certificate, "{key: n3iwf.key}", []string{"7: nwu.certificate.chain: is missing; name a readable PEM file with the certificate and its intermediates"}},
		{"other key", "n3iwf.key", "other.key", []string{"7: nwu.certificate.key: does not belong to the first certificate of the chain (CN=n3iwf); put the certificate of this key first, or name its key"}},
		{"swapped", certificate, "{chain: n3iwf.key, key: n3iwf.pem}", []string{
			"7: nwu.certificate.chain: holds no certificate; give PEM with a CERTIFICATE block, the N3IWF's own first",
			"7: nwu.certificate.key: holds no private key; give PEM with a PRIVATE KEY block"}},
		{"weak key", "n3iwf.key", "weak.key", []string{"7: nwu.certificate.key: is RSA of only 1024 bits; use RSA of at least 2048 bits, ECDSA P-256, P-384 or P-521, or Ed25519"}},
		{"expired", certificate, "{chain: old.pem, key: old.key}", []string{"7: nwu.certificate.chain: expired on 2021-01-01T00:00:00Z; replace the certificate"}},
		{"unordered chain", "n3iwf.pem", "unordered.pem", []string{"7: nwu.certificate.chain: certificate 2 (CN=n3iwf) did not issue certificate 1 (CN=n3iwf); order the file: own certificate, its issuer, that one's issuer"}},
		{"certificate without a name", certificate, "{chain: bare.pem, key: bare.key}", []string{"7: nwu.certificate.chain: has no DNS name or IP address as subject alternative name; issue it with the FQDN that UEs use, such as n3iwf.5gc.mnc001.mcc001.pub.3gppnetwork.org (TS 23.003 28.3.2.2)"}},
		{"identity of another", "uePools", "identity: n3iwf.example.org\n  uePools", []string{`8: nwu.identity: "n3iwf.example.org" is no subject alternative name of the certificate; choose one of [n3iwf.5gc.mnc001.mcc001.pub.3gppnetwork.org 192.0.2.1], or issue the certificate for it`}},
		{"duplicate TAI", "\nnwu:", secondTA("000001", "01"), []string{`8: n3iwf.supportedTAs[1].plmns[0].plmn: the TAI 001-01-000001 stands here and in n3iwf.supportedTAs[0].plmns[0] (line 5); remove one of them, or change its TAC`}},
		{"same TAC in other PLMN", "\nnwu:", secondTA("000001", "001"), nil},
		{"bad TAC", `"000001"`, `"1"`, []string{`3: n3iwf.supportedTAs[0].tac: "1" is not a tracking area code; write 6 hexadecimal digits in quotes, such as "000001"`}},
		{"reserved TAC", `"000001"`, `"fffffe"`, []string{"3: n3iwf.supportedTAs[0].tac: fffffe is reserved (TS 23.003 19.4.2.3); choose 000001 to fffffd"}},
		{"bad MCC and MNC", `{mcc: "001", mnc: "01"}`, `{mcc: "1", mnc: "1x"}`, []string{
			`5: n3iwf.supportedTAs[0].plmns[0].plmn.mcc: "1" is not a mobile country code; write 3 digits in quotes`,
			`5: n3iwf.supportedTAs[0].plmns[0].plmn.mnc: "1x" is not a mobile network code; write 2 or 3 digits in quotes`}},
		{"MNC without quotes", `mnc: "01"`, "mnc: 01", nil},
		{"same slice twice", `mnc: "01"}`, "mnc: \"01\"}\n          slices: [{sst: 1}, {sst: 2}, {sst: 1}]", []string{"6: n3iwf.supportedTAs[0].plmns[0].slices[2]: is the same slice as entry 0; remove one of them"}},
		{"bad slice", `mnc: "01"}`, "mnc: \"01\"}\n          slices: [{sst: 256, sd: xyz}, {sd: \"010203\"}]", []string{
			"6: n3iwf.supportedTAs[0].plmns[0].slices[0].sst: 256 is out of range; choose 0 to 255",
			`6: n3iwf.supportedTAs[0].plmns[0].slices[0].sd: "xyz" is not a slice differentiator; write 6 hexadecimal digits in quotes, such as "010203", or remove the key`,
			"6: n3iwf.supportedTAs[0].plmns[0].slices[1].sst: is missing; give the slice/service type, 0 to 255"}},
		{"name", "n3iwf:\n", "n3iwf:\n  name: n3iwf_1\n", []string{`2: n3iwf.name: "n3iwf_1" has a character outside ASN.1 PrintableString; use letters, digits, space and '()+,-./:=?`}},
		{"N3IWF ID of 17 bits", "n3iwf:\n", "n3iwf:\n  globalN3IWFID: {id: 0x10000}\n", []string{"2: n3iwf.globalN3IWFID.id: 0x10000 is out of range; choose 0 to 65535"}},
		{"overlapping pools", "[10.60.0.0/16]", "[10.60.0.0/16, 10.60.128.0/24]", []string{"8: nwu.uePools.ipv4[1]: 10.60.128.0/24 overlaps 10.60.0.0/16 of nwu.uePools.ipv4[0] (line 8); separate them"}},
		{"pool with host bits", "10.60.0.0/16", "10.60.0.1/16", []string{"8: nwu.uePools.ipv4[0]: 10.60.0.1/16 has bits set behind its prefix length; write 10.60.0.0/16"}},
		{"pool without length", "10.60.0.0/16", "10.60.0.0", []string{`8: nwu.uePools.ipv4[0]: "10.60.0.0" is not an IP prefix; write one such as 10.60.0.0/16 or "fd00:60::/64"`}},
		{"pool too small", "10.60.0.0/16", "10.60.0.0/31", []string{"8: nwu.uePools.ipv4[0]: 10.60.0.0/31 has too few addresses; give a /29 or larger"}},
		{"pool of the other family", "ipv4: [10.60.0.0/16]", `ipv4: [10.60.0.0/16, "fd00::/64"]`, []string{"8: nwu.uePools.ipv4[1]: fd00::/64 is of the other IP family; put it in the other list"}},
		{"no pool", "  uePools: {ipv4: [10.60.0.0/16]}\n", "", []string{"6: nwu.uePools: is missing; give a range of inner UE addresses, such as ipv4: [10.60.0.0/16]"}},
		{"pool around an outer address", "uePools", "addresses: [10.60.1.1]\n  uePools", []string{"9: nwu.uePools.ipv4[0]: 10.60.0.0/16 contains the outer address 10.60.1.1 of nwu.addresses[0]; choose a range that is not in use"}},
		{"address twice", "uePools", "addresses: [192.0.2.1, 192.0.2.1]\n  uePools", []string{"8: nwu.addresses[1]: 192.0.2.1 stands in the list twice, also as entry 0; remove one of them"}},
		{"address beside wildcard", "uePools", "addresses: [0.0.0.0, 192.0.2.1]\n  uePools", []string{"8: nwu.addresses[1]: 192.0.2.1 is covered by the wildcard address beside it; remove one of them"}},
		{"NAS on an outer address", "uePools", "addresses: [192.0.2.1]\n  nas: {ipv4: 192.0.2.1}\n  uePools", []string{"9: nwu.nas.ipv4: 192.0.2.1 is also an outer address in nwu.addresses; choose an address that only exists inside the tunnels"}},
		{"same ports", "uePools", "ikePort: 4500\n  uePools", []string{"6: nwu.nattPort: is 4500 like nwu.ikePort; give them different ports; RFC 3948 has 500 and 4500"}},
		{"port out of range", "uePools", "ikePort: 65536\n  uePools", []string{"8: nwu.ikePort: 65536 is out of range; choose 1 to 65535"}},
		{"port as text", "uePools", "ikePort: ike\n  uePools", []string{`8: nwu.ikePort: "ike" is not a whole number; choose 1 to 65535`}},
		{"choice", "uePools", "udpEncapsulation: never\n  uePools", []string{`8: nwu.udpEncapsulation: "never" is not a choice here; write one of: always, auto`}},
		{"lifetime", "uePools", "ike: {lifetime: {soft: 2h, hard: 2h5m, jitter: 0.1}}\n  uePools", []string{"8: nwu.ike.lifetime.hard: 2h5m0s is not a minute above soft with its jitter (2h12m0s); give more, or 0 for never"}},
		{"volume", "uePools", "esp: {volume: {softPackets: 5000, hardPackets: 4000}}\n  uePools", []string{"8: nwu.esp.volume.hardPackets: 4000 is not above softPackets (5000); give more, or 0"}},
		{"replay window", "uePools", "esp: {replayWindow: 1000}\n  uePools", []string{"8: nwu.esp.replayWindow: 1000 is not a multiple of 64; choose 1024, 2048 or 4096"}},
		{"boolean", "uePools", "mobike: {enabled: yes}\n  uePools", []string{`8: nwu.mobike.enabled: "yes" is neither true nor false; write one of them`}},
		{"retransmission base", "uePools", "ike: {retransmission: {base: 0.5}}\n  uePools", []string{"8: nwu.ike.retransmission.base: 0.5 is out of range; choose 1 to 4"}},
		{"base not a number", "uePools", "ike: {retransmission: {base: .nan}}\n  uePools", []string{"8: nwu.ike.retransmission.base: \".nan\" is not a number; choose 1 to 4"}},
		{"duration without unit", "", "timers: {eapStep: 20}\n", []string{`12: timers.eapStep: "20" is not a duration; write a number with its unit, such as 500ms, 30s, 10m or 24h`}},
		{"negative duration", "", "timers: {eapStep: -1s}\n", []string{"12: timers.eapStep: -1s is out of range; choose 1s to 5m"}},
		{"back-off", "", "  backOff: {initial: 1m, max: 1s}\n", []string{"12: n2.backOff.max: n2.backOff.initial is 1m0s, more than the 1s of n2.backOff.max; make the second one larger, or the first one smaller"}},
		{"redirect target", "uePools", "ike: {redirectTo: \"a b\"}\n  uePools", []string{"8: nwu.ike.redirectTo: \"a b\" is neither an address nor a domain name; name another N3IWF, or remove the key"}},
		{"cookie threshold", "uePools", "ike: {halfOpen: {limit: 10}}\n  uePools", []string{"8: nwu.ike.halfOpen.cookieThreshold: 1000 is above the limit of 10, so that no cookie would ever be asked for; choose less than nwu.ike.halfOpen.limit"}},
		{"second N3 address", "", "n3: {addresses: [192.0.2.1, \"2001:db8::1\", 192.0.2.2]}\n", []string{"12: n3.addresses[2]: 192.0.2.2 is a second address of the family of 192.0.2.1; give at most one IPv4 and one IPv6 address"}},
		{"keylog", "", "debug: {keylog: /nowhere/keys}\n", []string{"12: debug.keylog: stat /nowhere/keys: no such file or directory; create the directory with mode 0700, or remove the key"}},
		{"keylog is a file", "", "debug: {keylog: DIR/n3iwf.pem}\n", []string{"12: debug.keylog: DIR/n3iwf.pem is not a directory; name a directory"}},
		{"null", "", "n3:\n", []string{"12: n3: has no value; give it one, or remove the key to get its default"}},
		{"mapping for scalar", "uePools", "ikePort: {a: 1}\n  uePools", []string{"8: nwu.ikePort: is a mapping where a single value belongs; write the value after the colon"}},
		{"scalar for list", "addresses: [192.0.2.10]", "addresses: 192.0.2.10", []string{"11: n2.amfs[0].addresses: is a single value where a list belongs; write [a, b], or one \"- \" line for each entry"}},
		{"scalar for mapping", "", "log: debug\n", []string{"12: log: is a single value where a mapping belongs; write its keys indented below it: level, format, linesPerSecond"}},
		{"alias", "", "log: {level: &l debug, format: *l}\n", []string{
			"12: log.level: anchors, aliases and tags are not read here; write the value out",
			"12: log.format: anchors, aliases and tags are not read here; write the value out"}},
		{"two documents", "", "---\nlog: {}\n", []string{`1: the file holds 2 YAML documents; keep one and remove the "---" lines`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := minimal + tt.to
			if tt.from != "" {
				require.Contains(t, minimal, tt.from)
				text = strings.Replace(minimal, tt.from, tt.to, 1)
			}
			file := filepath.Join(dir, "n3iwf.yaml")
			_, err := Parse(file, []byte(strings.ReplaceAll(text, "DIR", dir)))
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), file+":", ""), dir, "DIR")
			require.Equal(t, strings.Join(tt.want, "\n"), got)
		})
	}
}

func TestManyProblemsAtOnce(t *testing.T) {
	_, err := Parse("n3iwf.yaml", []byte("n3iwf:\n  name: \"\"\nnwu:\n  ikePort: 0\n  fqdn: x\nn3: {port: -1}\n"))
	require.Error(t, err)
	var problems Problems
	require.True(t, errors.As(err, &problems))
	var keys []string
	for _, p := range problems {
		require.Equal(t, "n3iwf.yaml", p.File)
		require.NotEmpty(t, p.What)
		require.NotEmpty(t, p.Do)
		keys = append(keys, p.Key)
	}
	require.Equal(t, []string{"n3iwf.supportedTAs", "n2.amfs", "n3iwf.name", "nwu.certificate", "nwu.uePools", "nwu.ikePort", "nwu.fqdn", "n3.port"}, keys)
	var one Problem
	require.True(t, errors.As(err, &one))
}

func TestSyntaxErrorHasItsLine(t *testing.T) {
	for text, line := range map[string]string{
		"n3iwf:\n  name: \"n3iwf\nnwu: {}\n":           "n3iwf.yaml:2: not valid YAML: ",
		"n3iwf: {name: a\nnwu: {}\n":                   "n3iwf.yaml:2: not valid YAML: ",
		"n3iwf:\n  name: a\n   id: 1\n":                "n3iwf.yaml:2: not valid YAML: ",
		"just text\n":                                  "n3iwf.yaml:1: the file is not a mapping",
		strings.Repeat("# long\n", maxFile/7+1) + "\n": "n3iwf.yaml:1: the file has ",
	} {
		_, err := Parse("n3iwf.yaml", []byte(text))
		require.Error(t, err)
		require.True(t, strings.HasPrefix(err.Error(), line), "%s", err)
	}
}

// TestTooDeep: what is nested without end is refused at once, at its line, before anything is built from it.
func TestTooDeep(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 100_000), strings.Repeat("{a: ", 50_000), strings.Repeat("- ", 50_000), strings.Repeat("? ", 50_000)} {
		_, err := Parse("deep.yaml", []byte("n3iwf:\n  "+text))
		require.ErrorContains(t, err, "deep.yaml:2: lists and mappings stand in one another more than 64 deep")
	}
}

func TestEmptyFileNamesWhatIsRequired(t *testing.T) {
	_, err := Parse("n3iwf.yaml", nil)
	for _, key := range []string{"n3iwf.supportedTAs", "nwu.certificate", "nwu.uePools", "n2.amfs"} {
		require.ErrorContains(t, err, key+": is missing")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("n2: {amfs: [{addresses: [::1]}, null, 3, [1]]}\nn3: &a\n? x\n: y\n<<: *a\n"))
	f.Add([]byte("nwu:\n  uePools:\n    ipv4: [255.255.255.255/29, 0.0.0.0/0]\n    ipv6: [::/0]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "certificate") || strings.Contains(string(text), "keylog") {
			return // these name files
		}
		c, err := Parse("n3iwf.yaml", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v %v", c, err)
		}
	})
}
