// SPDX-License-Identifier: Apache-2.0

package core

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const minimal = `mcc: "001"
mnc: "01"
tac: "1"
listen: 127.0.0.1:38412
upf: 127.0.0.1
pool: 10.45.0.0/16
subscribers:
  - imsi: "001010000000001"
    k: 465b5ce8b199b49faa5f0a2ee238a6bc
    opc: e8ed289deba952e4283b54e88e6183ca
`

func TestExample(t *testing.T) {
	c, err := LoadConfig("core.example.yaml")
	require.NoError(t, err)
	require.Len(t, c.DNNs[0].Flows, 5)
	n, err := c.network()
	require.NoError(t, err)
	require.Equal(t, "001/01", n.plmn.String())
	require.Len(t, n.subscribers, 2)
	require.Len(t, n.homeKeys, 1)
	// Every key of the file's types is in the example.
	text, err := os.ReadFile("core.example.yaml")
	require.NoError(t, err)
	for _, key := range []string{"earlyAccept:", "udpPort:", "reflective:", "guaranteed:", "reject:", "anySubscriber:", "mtu:", "dns:", "pool6:", "hosts:", "nat:", "dscp:", "homes:", "heartbeat:"} {
		require.Contains(t, string(text), key)
	}
}

func TestDefaults(t *testing.T) {
	c, err := parseConfig("core.yaml", []byte(minimal))
	require.NoError(t, err)
	n, err := c.network()
	require.NoError(t, err)
	require.Equal(t, "internet", n.firstDNN.name)
	require.EqualValues(t, 1400, n.firstDNN.mtu)
	require.Equal(t, "cafe00", c.AMFID)
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"no such key", "tac: ", "tack: ", "tack"},
		{"MCC", `mcc: "001"`, "mcc: 1x1", "core.yaml:1: mcc: "},
		{"TAC", `tac: "1"`, `tac: "xyz"`, "core.yaml:3: tac: "},
		{"address", "listen: 127.0.0.1:38412", "listen: here", "core.yaml:4: listen: "},
		{"missing address", "upf: 127.0.0.1\n", "", "core.yaml:1: upf: "},
		{"IPv6 pool", "10.45.0.0/16", "fd00::/64", "core.yaml:6: pool: "},
		{"prefixes", "mnc:", "pool6: 10.0.0.0/8\nmnc:", "core.yaml:2: pool6: "},
		{"host", "mnc:", "n6: {hosts: [here]}\nmnc:", "n6.hosts[0]: "},
		{"NAT", "mnc:", "n6: {nat: [10.0.0.0/8]}\nmnc:", "n6.nat[0]: "},
		{"DSCP", "mnc:", "dnns: [{name: a, flows: [{qfi: 1, dscp: 64}]}]\nmnc:", "flows[0].dscp: "},
		{"key", "465b5ce8b199b49faa5f0a2ee238a6bc", "465b", "core.yaml:9: subscribers[0].k: "},
		{"IMSI", `"001010000000001"`, "abc", "core.yaml:8: subscribers[0].imsi: "},
		{"twice", "subscribers:\n", "subscribers:\n  - {imsi: \"001010000000001\", k: 465b5ce8b199b49faa5f0a2ee238a6bc, opc: 465b5ce8b199b49faa5f0a2ee238a6bc}\n", "core.yaml:9: subscribers[1].imsi: "},
		{"transport", "mnc:", "transport: tcp\nmnc:", "core.yaml:2: transport: "},
		{"home", "mnc:", "homes: [here]\nmnc:", "core.yaml:2: homes[0]: "},
		{"no flows", "mnc:", "dnns: [{name: a}]\nmnc:", "core.yaml:2: dnns[0].flows: "},
		{"QFI twice", "mnc:", "dnns: [{name: a, flows: [{qfi: 1},\n {qfi: 1}]}]\nmnc:", "core.yaml:3: dnns[0].flows[1].qfi: "},
		{"QFI too large", "mnc:", "dnns: [{name: a, flows: [{qfi: 64}]}]\nmnc:", "flows[0].qfi: "},
		{"rates", "mnc:", "dnns: [{name: a, flows: [{qfi: 1, guaranteed: 2, maximum: 1}]}]\nmnc:", "flows[0].maximum: "},
		{"DNN", "mnc:", "dnns: [{name: a..b, flows: [{qfi: 1}]}]\nmnc:", "dnns[0].name: "},
		{"SD", "mnc:", "slices: [{sst: 1, sd: xx}]\nmnc:", "slices[0].sd: "},
		{"home key", "mnc:", "homeNetworkKeys: [{id: 1, key: 00}]\nmnc:", "homeNetworkKeys[0].key: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(minimal, c.old, c.new, 1)
			require.NotEqual(t, minimal, text)
			_, err := parseConfig("core.yaml", []byte(text))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "core.yaml")
		})
	}
	_, err := LoadConfig("no such file")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestSecretsAreNotPrinted: a wrong key is not in the error.
func TestSecretsAreNotPrinted(t *testing.T) {
	_, err := parseConfig("core.yaml", []byte(strings.Replace(minimal, "k: 465b5c", "k: zz465b5c", 1)))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "e8b199b49f")
}
