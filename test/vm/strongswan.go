// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/open-n3iwf/n3iwf/test/vm/job"

// plugins are those that test/interop lets charon and swanctl load, besides one that it looks for.
var plugins = []string{
	"random", "nonce", "openssl", "aes", "gcm", "sha1", "sha2", "hmac", "kdf", "md5", "mgf1", "pem", "pkcs1", "pkcs8", "x509", "pubkey", "constraints",
	"revocation", "curve25519", "chapoly", "eap-identity", "eap-md5", "eap-mschapv2", "kernel-netlink", "kernel-libipsec", "socket-default", "counters", "vici",
}

// strongSwan is a suite of test/interop, with charon's ESP in the kernel; flags say where ours is, and which scenarios run. Its
// document with the table of this run comes back as an artefact.
func strongSwan(name string, seconds int, readme string, flags ...string) suite {
	s := suite{
		name: name, pkg: "./test/interop", seconds: seconds, args: []string{"-test.skip", "TestTshark"}, // the judge takes minutes to start here
		flags: append([]string{"-charon-esp=kernel", "-side-by-side=3", "-readme=README.md", "-readme-to=" + job.Artefacts + "/" + readme}, flags...),
		tools: []string{"/usr/lib/ipsec/charon", "swanctl", "conntrack"},
		opened: []string{
			"/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", // MD4 for EAP-MSCHAPv2
			"/lib/x86_64-linux-gnu/libgcc_s.so.1",              // the C library needs it to end a thread
		},
	}
	for _, p := range plugins {
		s.opened = append(s.opened, "/usr/lib/ipsec/plugins/libstrongswan-"+p+".so")
	}
	return s
}

// onlyNamed makes it an extra suite.
func (s suite) onlyNamed() suite {
	s.extra = true
	return s
}
