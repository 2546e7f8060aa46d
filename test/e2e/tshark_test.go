// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// TestDemoJudgedByTshark records the demo's NWu, N2 and N3 and lets tshark dissect them, with the keys that the N3IWF wrote in Wireshark's own
// formats: no malformed packet, no expert error, and everything decrypted.
func TestDemoJudgedByTshark(t *testing.T) {
	testenv.NeedRoot(t)
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	testenv.NeedTool(t, "tcpdump", "tcpdump")
	testenv.NeedTool(t, "ethtool", "ethtool")
	dir := t.TempDir()
	demo(t, dir, "--capture")

	home := filepath.Join(dir, "wireshark")
	profile := filepath.Join(home, "wireshark")
	require.NoError(t, os.MkdirAll(profile, 0o755))
	for _, name := range []string{"ikev2_decryption_table", "esp_sa"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotEmpty(t, b, name)
		require.NoError(t, os.WriteFile(filepath.Join(profile, name), b, 0o600))
	}
	ask := func(file, filter string, args ...string) []string {
		t.Helper()
		argv := append([]string{
			"-r", filepath.Join(dir, file), "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
			"-o", "esp.do_esp_sequence_analysis:FALSE", "-Y", filter,
		}, args...)
		cmd := exec.Command(tshark, argv...)
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "HOME="+home, "WIRESHARK_CONFIG_DIR="+profile)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		require.NoError(t, cmd.Run(), errs.String())
		text := strings.TrimSpace(out.String())
		if text == "" {
			return nil
		}
		return strings.Split(text, "\n")
	}
	none := func(file, filter string) {
		t.Helper()
		lines := ask(file, filter)
		require.Empty(t, lines[:min(len(lines), 10)], "%s: %s", file, filter)
	}
	some := func(file, filter string) {
		t.Helper()
		require.NotEmpty(t, ask(file, filter, "-c", "200000"), "%s: no packet matches %s", file, filter)
	}
	for _, file := range []string{"nwu.pcap", "core.pcap"} {
		none(file, "_ws.malformed || _ws.expert.severity >= 0x00800000")
	}
	// NWu: IKE is decrypted, MOBIKE is there, ESP is decrypted and authentic down to GRE and NAS over TCP.
	some("nwu.pcap", "isakmp.notify.msgtype == 16400")
	some("nwu.pcap", "isakmp.notify.msgtype == 55501")
	some("nwu.pcap", "esp && gre")
	some("nwu.pcap", "esp && tcp.port == 20000")
	none("nwu.pcap", "esp && !gre && !tcp && !icmp")
	none("nwu.pcap", "esp.icv_bad == 1 || esp.icv_good == 0")
	// N2 and N3.
	for _, procedure := range []int{4, 14, 15, 21, 28, 29, 41, 46} {
		some("core.pcap", fmt.Sprintf("ngap.procedureCode == %d", procedure))
	}
	some("core.pcap", "gtp.ext_hdr.pdu_ses_con.pdu_type == 0")
	some("core.pcap", "gtp.ext_hdr.pdu_ses_con.pdu_type == 1")
}
