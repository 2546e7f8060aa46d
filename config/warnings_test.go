// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWarnings(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "n3iwf.yaml")
	good := strings.ReplaceAll(minimal, `mcc: "001"`, `mcc: "262"`)
	warnings := func(text string) (all []string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		c, err := Load(file)
		require.NoError(t, err)
		chain, _, err := c.NWu.Certificate.Load()
		require.NoError(t, err)
		for _, w := range Warnings(file, c, chain[0].NotAfter.Add(-365*24*time.Hour)) {
			all = append(all, strings.TrimPrefix(w.Error(), file+":"))
		}
		return all
	}
	require.Empty(t, warnings(good))
	require.Len(t, warnings(minimal), 1)
	require.Contains(t, warnings(minimal)[0], "5: n3iwf.supportedTAs[0].plmns[0].plmn: 001-01 is a test network")
	nwu := func(more string) string { return strings.Replace(good, "nwu:\n", "nwu:\n"+more, 1) }
	for text, want := range map[string]string{
		nwu("  ike: {profile: legacy-lab}\n"):                                                              "7: nwu.ike.profile: legacy-lab accepts SHA-1",
		nwu("  mobike: {returnRoutability: \"off\"}\n"):                                                    "7: nwu.mobike.returnRoutability",
		nwu("  mobike: {enabled: false}\n"):                                                                "7: nwu.mobike.enabled",
		nwu("  ike: {liveness: {period: 0s}}\n"):                                                           "7: nwu.ike.liveness.period",
		nwu("  udpEncapsulation: auto\n"):                                                                  "7: nwu.udpEncapsulation",
		nwu("  esp: {replayWindow: 64}\n"):                                                                 "7: nwu.esp.replayWindow",
		nwu("  mobike: {verifiedNetworks: [192.0.2.0/24]}\n"):                                              "7: nwu.mobike.verifiedNetworks",
		good + "management: {pprof: true}\n":                                                               "12: management.pprof",
		good + "debug: {keylog: " + dir + "}\n":                                                            "12: debug.keylog",
		good + "management: {listen: \"127.0.0.1:8080\", token: 0123456789abcdef}\n":                       "12: management.listen",
		strings.Replace(good, "mnc: \"01\"}", "mnc: \"01\"}\n          slices: [{sst: 1, sd: FFFFFF}]", 1): "6: n3iwf.supportedTAs[0].plmns[0].slices[0].sd: ffffff",
	} {
		got := warnings(text)
		require.Len(t, got, 1, text)
		require.Contains(t, got[0], want)
	}
	c, err := Load(file)
	require.NoError(t, err)
	chain, _, err := c.NWu.Certificate.Load()
	require.NoError(t, err)
	require.Contains(t, Warnings(file, c, chain[0].NotAfter.Add(-48*time.Hour)).Error(), "expires in 2 days")
}
