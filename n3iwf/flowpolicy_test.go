// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func TestGroupFlows(t *testing.T) {
	gbr := newFlowRates(1, 1)
	voice, video := qosFlow{qfi: 5, fiveQI: 1, gbr: gbr}, qosFlow{qfi: 6, fiveQI: 2, gbr: gbr}
	web, chat, none := qosFlow{qfi: 9, fiveQI: 9}, qosFlow{qfi: 3, fiveQI: 7}, qosFlow{qfi: 1}
	marks := []config.FiveQIDSCP{{FiveQI: 1, DSCP: 46}, {FiveQI: 2, DSCP: 34}, {FiveQI: 7, DSCP: 34}}
	for name, tt := range map[string]struct {
		policy string
		marks  []config.FiveQIDSCP
		flows  []qosFlow
		room   int
		want   [][]uint8
		dscp   []int16
	}{
		"one":                     {"one", nil, []qosFlow{voice, web, chat}, 9, [][]uint8{{3, 5, 9}}, []int16{-1}},
		"one, marked":             {"one", marks, []qosFlow{voice, web, video, chat}, 9, [][]uint8{{9}, {5}, {3, 6}}, []int16{-1, 46, 34}},
		"per flow":                {"perFlow", nil, []qosFlow{voice, web, chat}, 9, [][]uint8{{9}, {5}, {3}}, []int16{-1, -1, -1}},
		"GBR apart":               {"gbrApart", nil, []qosFlow{voice, web, video, chat}, 9, [][]uint8{{3, 9}, {5, 6}}, []int16{-1, -1}},
		"GBR apart, marked":       {"gbrApart", marks, []qosFlow{voice, web, video, chat}, 9, [][]uint8{{9}, {5}, {6}, {3}}, []int16{-1, 46, 34, 34}},
		"GBR alone":               {"gbrApart", nil, []qosFlow{voice, video}, 9, [][]uint8{{5, 6}}, []int16{-1}},
		"no room: default has it": {"perFlow", nil, []qosFlow{web, voice, chat, none}, 2, [][]uint8{{1, 3, 9}, {5}}, []int16{-1, -1}},
		"none at all":             {"perFlow", nil, []qosFlow{web, voice}, 0, [][]uint8{{5, 9}}, []int16{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			groups := groupFlows(&config.UserPlane{ChildSAs: tt.policy, DSCP: tt.marks}, tt.flows, tt.room)
			var qfis [][]uint8
			var dscp []int16
			for _, g := range groups {
				qfis, dscp = append(qfis, g.qfis), append(dscp, g.key.dscp)
			}
			require.Equal(t, tt.want, qfis)
			require.Equal(t, tt.dscp, dscp)
		})
	}
}

// TestChildSABinding: 5G_QOS_INFO octet by octet, with the examples of TS 24.502 9.3.1.1 in mind.
func TestChildSABinding(t *testing.T) {
	s := &pduSession{id: 5}
	for _, tt := range []struct {
		child *childSA
		qfis  []uint8
		want  []byte
	}{
		{&childSA{session: s, key: flowKey{dscp: -1}}, []uint8{9}, []byte{4, 5, 1, 9, 0}},
		{&childSA{session: s, key: flowKey{dscp: -1}, dflt: true}, []uint8{9}, []byte{4, 5, 1, 9, 2}},
		{&childSA{session: s, key: flowKey{dscp: 46}, dflt: true}, []uint8{9}, []byte{5, 5, 1, 9, 3, 46}},
		{&childSA{session: s, key: flowKey{dscp: 0}}, nil, []byte{4, 5, 0, 1, 0}},
	} {
		b, err := tt.child.info(tt.qfis).Append(nil)
		require.NoError(t, err)
		require.Equal(t, tt.want, b)
	}
}

// TestMTUTable: the largest user PDU for one packet on NWu, as computed from the header lengths of the RFCs.
func TestMTUTable(t *testing.T) {
	gcm := ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}
	cbc := ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("[2001:db8::1]:4500")
	const gre, inner4, inner6 = 8, 20, 40
	for _, tt := range []struct {
		name     string
		mtu      int
		outer    netip.AddrPort
		natt     bool
		inner    int
		gcm, cbc int
	}{
		{"1500 v4", 1500, v4, false, inner4, 1418, 1410},
		{"1500 v4 NAT-T", 1500, v4, true, inner4, 1410, 1394},
		{"1500 v6", 1500, v6, false, inner4, 1398, 1378},
		{"1500 v6 NAT-T", 1500, v6, true, inner4, 1390, 1378},
		{"1500 v6 NAT-T inner v6", 1500, v6, true, inner6, 1370, 1358},
		{"relay 1358 v4 NAT-T", 1358, v4, true, inner4, 1266, 1250},
		{"1280 v6 NAT-T inner v6", 1280, v6, true, inner6, 1150, 1134},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := ipsec.Path{Remote: tt.outer, NATT: tt.natt}
			require.Equal(t, tt.gcm, longestInner(tt.mtu, path, gcm)-tt.inner-gre)
			require.Equal(t, tt.cbc, longestInner(tt.mtu, path, cbc)-tt.inner-gre)
		})
	}
}
