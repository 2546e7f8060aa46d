// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"flag"
	"regexp"
	"slices"
	"strings"
)

var essentialOnly = flag.Bool("essential", false, "only the scenarios of the list for this maker of our ESP")

// essentials are the scenarios, in each role that they have, that tell most about two makers of ESP: test/vm runs them on its
// emulated machine, where all of them would take too long to run every time. Those with true also run with our ESP in user space.
var essentials = []struct {
	test, scenario string
	user           bool
}{
	{"TestAlgorithms", "aes128gcm16-prfsha256-x25519 with ESP aes128gcm16-x25519", false},
	{"TestAlgorithms", "chacha20poly1305-prfsha256-ecp256 with ESP chacha20poly1305-ecp256", true},
	{"TestAlgorithms", "aes256-sha512-ecp384 with ESP aes256-sha512", true},
	{"TestESN", "extended sequence numbers, over a rekey and a move", true},
	{"TestMOBIKE", "an address is added, the first is removed", true},
	{"TestMOBIKE", "mobike-virtual-ip: the interface goes down", false},
	{"TestMOBIKE", "mobike-virtual-ip-nat: behind a NAT and back", true},
	{"TestMOBIKE", "IPv4 to IPv6 and back", true},
	{"TestMOBIKEHostSelector", "mobike: the selector is the UE's address, the interface goes down", false},
	{"TestNAT", "mobike-nat-mappings: the NAT gives new ports, the UE's DPD notices", false},
	{"TestNAT", "mobike-nat-mappings: the NAT gives new ports, ESP from the new port is followed at once", false},
	{"TestNAT", "mobike-nat-mappings: the NAT gives new ports, our DPD notices", false},
	{"TestCollisions", "we move while charon rekeys the child", false},
	{"TestCollisions", "we move while charon rekeys the IKE SA", false},
	{"TestCollisions", "we move while our rekey of the child is under way", false},
	{"TestCollisions", "it moves while our rekey of the child is under way", false},
	{"TestRekeyByCharon", "of the child, three times", true},
	{"TestRekeyByCharon", "of the IKE SA, three times", false},
	{"TestRekeyByUs", "of the child, three times, with PFS", false},
	{"TestRekeyByUs", "of the IKE SA, and the original initiator moves", false},
}

// written is a scenario's name as package testing writes it.
func written(scenario string) string { return strings.ReplaceAll(scenario, " ", "_") }

// essentialPattern is a value of -test.run.
func essentialPattern() string {
	var list []string
	for _, e := range essentials {
		if e.user || *ourESP == inKernel {
			list = append(list, "^"+e.test+"$/.*/^"+regexp.QuoteMeta(written(e.scenario))+"$")
		}
	}
	return strings.Join(list, "|")
}

// essentialMissing are those that have not run.
func essentialMissing() (list []string) {
	for _, e := range essentials {
		ran := slices.ContainsFunc(matrix.rows, func(r row) bool {
			return strings.HasPrefix(r.name, e.test+"/") && strings.HasSuffix(r.name, "/"+written(e.scenario))
		})
		if !ran && (e.user || *ourESP == inKernel) {
			list = append(list, e.test+" "+e.scenario)
		}
	}
	return list
}
